use super::validity::Validity;
use crate::{
    ClientCertificates, FileError,
    access::{read, read_text},
};
use rustls::{ServerConfig, server::NoClientAuth, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

/// How a listener speaks TLS: 1.2 and 1.3, with a certificate and a key from files that can be read again. Handshakes that
/// begin after that use the new ones; connections that are open stay.
pub struct ServerTls {
    certificate: PathBuf,
    key: PathBuf,
    clients: Option<Arc<ClientCertificates>>,
    loaded: RwLock<Loaded>,
}

/// What the files held when they were last read.
#[derive(Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    validity: Option<Validity>,
}

impl ServerTls {
    /// With the chain in one PEM file, the executor's own certificate first, and its key in another (PKCS #8, PKCS #1 or
    /// SEC1, not encrypted). Certificates of clients are asked for if `clients` is there.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, holds something else, or the key is not the certificate's.
    pub fn new(
        certificate: PathBuf,
        key: PathBuf,
        clients: Option<Arc<ClientCertificates>>,
    ) -> Result<Self, FileError> {
        let loaded = RwLock::new(load(&certificate, &key, clients.as_deref())?);
        Ok(Self { certificate, key, clients, loaded })
    }

    /// The files, for whoever watches them: those of the clients' authorities too.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.certificate.clone(), self.key.clone()];
        files.extend(self.clients.iter().flat_map(|clients| clients.files()));
        files
    }

    /// Reads the files again. On an error everything stays as it was.
    ///
    /// # Errors
    ///
    /// As when it was made.
    pub fn reload(&self) -> Result<(), FileError> {
        // First who is still accepted: taking somebody out must not wait for a certificate to be whole.
        let clients = self.clients.as_ref().map_or(Ok(()), |clients| clients.reload());
        let loaded = load(&self.certificate, &self.key, self.clients.as_deref())?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        clients
    }

    /// Says what is worth a word about the certificate by now: that it has expired, or is about to within 14 days (or a third
    /// of its life, if that is shorter), with the days that are left.
    pub fn warning(&self) -> Option<String> {
        let validity = self.loaded.read().unwrap_or_else(PoisonError::into_inner).validity?;
        let warning = validity.warning(SystemTime::now())?;
        Some(format!("the certificate in {} {warning}", self.certificate.display()))
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).config.clone()
    }
}

fn load(certificate: &Path, key: &Path, clients: Option<&ClientCertificates>) -> Result<Loaded, FileError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = read_chain(certificate)?;
    let validity = Validity::of(&chain);
    let certified =
        CertifiedKey::from_der(chain, read_key(key)?, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                let of = certificate.display();
                FileError::new(key, format!("it is not the key of the first certificate in {of}"))
            }
            error => FileError::new(key, error.to_string()),
        })?;
    let verifier = match clients {
        Some(clients) => clients.verifier(),
        None => Arc::new(NoClientAuth),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| FileError::new(certificate, error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    // A WebSocket begins as HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded { config: Arc::new(config), validity })
}

/// The certificates in a PEM file, of which there is one at least.
pub(crate) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(FileError::new(
            path,
            "there is no certificate in it: `-----BEGIN CERTIFICATE-----` is expected",
        )),
        Err(_) => Err(FileError::new(path, "what is in it is not whole PEM")),
    }
}

/// The key in a PEM file.
pub(crate) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let pem = read_text(path)?;
    if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(FileError::new(
            path,
            "the key is encrypted: write it without a passphrase, `openssl pkey -in FILE -out FILE`, for its owner alone to read",
        ));
    }
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        FileError::new(path, "there is no private key in it: `-----BEGIN PRIVATE KEY-----` is expected")
    })
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}
