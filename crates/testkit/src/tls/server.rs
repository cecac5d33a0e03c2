use super::authority::Ca;
use super::identity::Identity;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::sync::Arc;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// How a TLS server is to behave. Unless told: TLS 1.2 and 1.3, no ALPN, no client certificates.
#[derive(Clone)]
pub struct Server {
    identity: Identity,
    alpn: Vec<Vec<u8>>,
    version: Option<Version>,
    clients: Option<Arc<RootCertStore>>,
}

impl Server {
    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, alpn: Vec::new(), version: None, clients: None }
    }

    /// Offers these application protocols, in order of preference: `h2`, `http/1.1`.
    pub fn alpn<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.alpn = names.into_iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Speaks this version only.
    pub fn only(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Demands a client certificate signed by `ca`.
    pub fn demand_client_certificate(mut self, ca: &Ca) -> Self {
        self.clients = Some(ca.roots());
        self
    }

    /// The configuration for `rustls`.
    pub fn build(self) -> Arc<ServerConfig> {
        let versions: &[&SupportedProtocolVersion] = match self.version {
            None => rustls::ALL_VERSIONS,
            Some(Version::Tls12) => &[&rustls::version::TLS12],
            Some(Version::Tls13) => &[&rustls::version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("the provider supports both versions");
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some(roots) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(roots, provider())
                    .build()
                    .expect("the store holds an authority"),
            ),
        };
        let mut config = builder
            .with_single_cert(self.identity.chain(), self.identity.key())
            .expect("the key belongs to the certificate");
        config.alpn_protocols = self.alpn;
        Arc::new(config)
    }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
