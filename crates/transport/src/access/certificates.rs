use super::{
    Authenticate, Authorization, ClientCertificate, Credentials, FileError, Grant, NameRule, Principal,
    PrincipalKind, Unauthorized, read, read_again, read_text,
};
use rustls::{
    RootCertStore,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};
use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::watch;

/// Lets in who has proved, in the TLS handshake, to hold a certificate of an authority in a file. Optionally only those
/// whose names another file lists, one a line. Both files can be read again: a session ends when its certificate expires,
/// or its authority or its name is taken out.
pub struct ClientCertificates {
    authorities: PathBuf,
    names: Option<PathBuf>,
    rule: NameRule,
    required: bool,
    current: Arc<RwLock<Arc<Current>>>,
    changed: watch::Sender<()>,
}

struct Current {
    verifier: Arc<dyn ClientCertVerifier>,
    names: Option<HashSet<String>>,
}

impl ClientCertificates {
    /// Certificates signed by the authorities in this PEM file, whose holders are named by this rule. Unless `required`,
    /// the handshake succeeds without a certificate too, for peers that present something else.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or holds something else.
    pub fn new(
        authorities: PathBuf,
        names: Option<PathBuf>,
        rule: NameRule,
        required: bool,
    ) -> Result<Self, FileError> {
        let current = Arc::new(RwLock::new(load(&authorities, names.as_deref(), required)?));
        Ok(Self { authorities, names, rule, required, current, changed: watch::Sender::new(()) })
    }

    /// The files, for whoever watches them.
    pub fn files(&self) -> Vec<PathBuf> {
        [&self.authorities].into_iter().chain(&self.names).cloned().collect()
    }

    /// Reads the files again. One that is gone or empty lets nobody in any more. On an error everything stays as it was.
    /// Blocks, for 100 ms longer where a file is gone or empty.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or holds something else.
    pub fn reload(&self) -> Result<(), FileError> {
        for file in self.files() {
            if read_again(&file)?.is_none() {
                tracing::warn!(file = %file.display(), "the file is gone or empty: no certificate is accepted any more");
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current =
                    Arc::new(Current { verifier: current.verifier.clone(), names: Some(HashSet::new()) });
                drop(current);
                self.changed.send_replace(());
                return Ok(());
            }
        }
        let loaded = load(&self.authorities, self.names.as_deref(), self.required)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        self.changed.send_replace(());
        Ok(())
    }

    /// What checks certificates in the handshake, as of the latest reading of the files.
    pub(crate) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).verifier.clone()
    }
}

impl Authenticate for ClientCertificates {
    fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Grant, Unauthorized> {
        let certificate = credentials.arrival.certificate.clone().ok_or(Unauthorized::Missing)?;
        let name = certificate.name(self.rule).ok_or(Unauthorized::Rejected("certificate_without_name"))?;
        let principal = Principal::parse(PrincipalKind::Certificate, name)
            .ok_or(Unauthorized::Rejected("certificate_name_unfit"))?;
        let name = name.to_owned();
        let changed = self.changed.subscribe();
        let current = self.current.clone();
        let until = certificate.not_after();
        // The handshake was checked against what the files held when it began, or by an earlier one that it resumes.
        let check = move || {
            let current = current.read().unwrap_or_else(PoisonError::into_inner).clone();
            current.check(&certificate, &name)
        };
        check()?;
        let holds = move || check().is_ok();
        let authorization = Authorization::permanent().until(until).as_long_as(changed, holds);
        Ok(Grant { principal, authorization })
    }

    fn mode(&self) -> String {
        "client certificate".to_owned()
    }

    fn kinds(&self) -> Vec<PrincipalKind> {
        vec![PrincipalKind::Certificate]
    }
}

impl Current {
    fn check(&self, certificate: &ClientCertificate, name: &str) -> Result<(), Unauthorized> {
        if self.names.as_ref().is_some_and(|names| !names.contains(name)) {
            return Err(Unauthorized::Rejected("certificate_name_not_allowed"));
        }
        let [own, others @ ..] = certificate.chain() else { return Err(Unauthorized::Missing) };
        match self.verifier.verify_client_cert(own, others, UnixTime::now()) {
            Ok(_) => Ok(()),
            Err(rustls::Error::InvalidCertificate(
                rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. },
            )) => Err(Unauthorized::Expired),
            Err(_) => Err(Unauthorized::Rejected("certificate_not_trusted")),
        }
    }
}

fn load(authorities: &Path, names: Option<&Path>, required: bool) -> Result<Arc<Current>, FileError> {
    let names = names.map(read_names).transpose()?;
    let mut roots = RootCertStore::empty();
    let wrong = |why: String| FileError::new(authorities, why);
    for (at, certificate) in CertificateDer::pem_slice_iter(&read(authorities)?).enumerate() {
        let certificate = certificate.map_err(|_| wrong(format!("certificate {} is not PEM", at + 1)))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(format!("certificate {} is unusable: {error}", at + 1)))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in it: it should hold the authority's, in PEM".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    let verifier = builder.build().map_err(|error| wrong(error.to_string()))?;
    Ok(Arc::new(Current { verifier, names }))
}

fn read_names(path: &Path) -> Result<HashSet<String>, FileError> {
    let text = read_text(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificates")
            .field("authorities", &self.authorities)
            .field("names", &self.names)
            .field("rule", &self.rule)
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}
