//! The TLS configuration of every outbound connection, built in one place.

mod ca;
mod platform;

pub use ca::CaPolicy;

use crate::config::ConfigError;
use ca::Roots;
use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use std::sync::Arc;

/// The TLS client configuration for `ca`: TLS 1.2 and 1.3, no client certificate, no ALPN. A caller that wants ALPN
/// clones it and sets `alpn_protocols`.
///
/// # Errors
///
/// If a file that `ca` names cannot be read or holds no certificate. The platform's own roots are loaded at the first
/// handshake, and their absence is a TLS error there.
pub fn tls_client_config(ca: &CaPolicy) -> Result<Arc<ClientConfig>, ConfigError> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match ca.roots()? {
        Roots::Loaded(roots) => {
            verifier(roots, Arc::clone(&provider)).map_err(|error| ConfigError::Tls(error.to_string()))?
        }
        Roots::Platform => Arc::new(platform::PlatformVerifier::new(Arc::clone(&provider))),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn verifier(
    roots: rustls::RootCertStore,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, rustls::client::VerifierBuilderError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()
}
