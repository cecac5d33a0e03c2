//! An upstream rule with the TLS configuration and the connections made for it.

use super::declared::{TlsVersion, Upstream};
use super::proxy::Proxy;
use crate::connect::Credentials;
use crate::door::Way;
use crate::generation::Settings;
use crate::identity::{Identity, ProxyRoute};
use crate::secrets::Held;
use crate::tls;
use crate::watched::{self, Stamp};
use afield_exchange::{Blame, Error, Kind, Retry};
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The largest PEM file.
const LARGEST: usize = 4 * 1024 * 1024;

/// A rule, and what was last built for it. What is built for one content of its files shares no connection, and no TLS
/// session, with what is built for another, nor with any other rule.
pub(crate) struct Slot {
    upstream: Arc<Upstream>,
    password: Option<Held>,
    every: Duration,
    built: Mutex<Option<Built>>,
}

struct Built {
    stamps: Vec<Option<Stamp>>,
    password: Option<Zeroizing<Vec<u8>>>,
    checked: Instant,
    direct: Arc<Identity>,
    proxied: Option<Arc<Identity>>,
}

impl Slot {
    pub(super) fn new(upstream: Arc<Upstream>, every: Duration) -> Self {
        let proxy = upstream.proxy.as_ref();
        let password = proxy.and_then(|proxy| Some(Held::new(proxy.credentials.as_ref()?.1.clone())));
        Self { upstream, password, every, built: Mutex::new(None) }
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        self.upstream.proxy.as_ref()
    }

    /// The identity for this way, built when it is first asked for and again when a file has changed. Files that have
    /// become unusable leave what was built in use: certificates are seldom replaced in one step.
    pub(crate) fn identity(&self, way: &Way, settings: &Arc<Settings>) -> Result<Arc<Identity>, Error> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let due = built.as_ref().is_none_or(|built| watched::is_due(built.checked, self.every));
        if due {
            self.refresh(&mut built, settings)?;
        }
        let built = built.as_ref().expect("refreshing leaves something built, or fails");
        Ok(Arc::clone(match way {
            Way::Direct(_) => &built.direct,
            Way::Proxied(_) => built.proxied.as_ref().unwrap_or(&built.direct),
        }))
    }

    fn refresh(&self, built: &mut Option<Built>, settings: &Arc<Settings>) -> Result<(), Error> {
        let stamps = self.upstream.stamps();
        let password = self.password();
        if let Some(last) = built {
            last.checked = Instant::now();
            if last.stamps == stamps && password.as_ref().is_ok_and(|new| *new == last.password) {
                return Ok(());
            }
        }
        match password.and_then(|password| self.build(stamps, password, settings)) {
            Ok(fresh) => *built = Some(fresh),
            Err(why) if built.is_some() => {
                tracing::warn!("upstream `{}` stays as it was: {why}", self.upstream.name());
            }
            Err(why) => return Err(unusable(self.upstream.name(), &why)),
        }
        Ok(())
    }

    fn password(&self) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        let Some(held) = &self.password else { return Ok(None) };
        let value = held.value(self.every).map_err(|why| format!("the proxy's password: {}", why.log))?;
        Ok(Some(Zeroizing::new(value.expose().to_vec())))
    }

    fn build(
        &self,
        stamps: Vec<Option<Stamp>>,
        password: Option<Zeroizing<Vec<u8>>>,
        settings: &Arc<Settings>,
    ) -> Result<Built, String> {
        let config = self.upstream.tls(&settings.verifier)?;
        let identity = |proxy| Arc::new(Identity::new(config.clone(), proxy, Arc::clone(settings)));
        let proxied = match self.proxy() {
            Some(proxy) => {
                let credentials = proxy.shown_credentials(password.as_deref().map(Vec::as_slice))?;
                let tls = Arc::new(config.clone());
                Some(identity(Some(ProxyRoute { proxy: proxy.clone(), tls, credentials })))
            }
            None => None,
        };
        Ok(Built { stamps, password, checked: Instant::now(), direct: identity(None), proxied })
    }
}

impl Proxy {
    fn shown_credentials(&self, password: Option<&[u8]>) -> Result<Option<Credentials>, String> {
        let (Some((user, _)), Some(password)) = (&self.credentials, password) else { return Ok(None) };
        let password =
            std::str::from_utf8(password).map_err(|_| "the proxy's password is not UTF-8".to_owned())?;
        Ok(Some(Credentials::new(user, password)))
    }
}

impl Upstream {
    /// What is wrong with the files, if anything is.
    pub(super) fn problem(&self) -> Option<String> {
        let tls = self.tls(&tls::platform_verifier()).err();
        let password = || {
            let (_, source) = self.proxy.as_ref()?.credentials.as_ref()?;
            let unavailable = Held::new(source.clone()).value(Duration::ZERO).err()?;
            Some(format!("the proxy's password: {}", unavailable.log))
        };
        tls.or_else(password).map(|why| format!("upstream `{}`: {why}", self.name()))
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        let certificate = self.certificate.iter().flat_map(|files| [&*files.certificate, &*files.key]);
        certificate.chain(self.ca.iter().map(|ca| &*ca.file))
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.files().map(|file| Stamp::of(file).ok()).collect()
    }

    /// The TLS configuration, with a store of sessions of its own.
    fn tls(&self, general: &tls::Verifier) -> Result<ClientConfig, String> {
        let verifier = match &self.ca {
            None => Arc::clone(general),
            Some(ca) => {
                let own = read(&ca.file).and_then(|pem| tls::pem_verifier(&pem)).map_err(at(&ca.file))?;
                if ca.only { own } else { tls::either(own, Arc::clone(general)) }
            }
        };
        let versions: &[_] = match self.min_tls {
            TlsVersion::Tls12 => rustls::DEFAULT_VERSIONS,
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let builder = tls::builder(verifier, versions).map_err(|error| error.to_string())?;
        let Some(files) = &self.certificate else { return Ok(builder.with_no_client_auth()) };
        let pem = read(&files.certificate).map_err(at(&files.certificate))?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|error| at(&files.certificate)(error.to_string()))?;
        if chain.is_empty() {
            return Err(at(&files.certificate)("no certificate in it".to_owned()));
        }
        let pem = read(&files.key).map_err(at(&files.key))?;
        // The reason could show what was read.
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| at(&files.key)("no private key in it".to_owned()))?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| format!("certificate and key do not make a pair: {error}"))
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut pem = Zeroizing::new(Vec::new());
    watched::read(path, LARGEST, &mut pem).map_err(|error| error.to_string())?;
    Ok(pem)
}

fn at(path: &Path) -> impl Fn(String) -> String {
    move |why| format!("{}: {why}", path.display())
}

fn unusable(upstream: &str, why: &str) -> Error {
    let message = format!("the operator's settings for upstream `{upstream}` cannot be used");
    Error::new(Kind::InvalidRequest, Blame::Operator, Retry::No, message)
        .with_log(format!("upstream `{upstream}`: {why}"))
}
