//! The TLS configuration of every outbound connection, built in one place.

mod ca;
mod either;
mod platform;

pub use ca::CaPolicy;
pub(crate) use either::either;

use crate::config::ConfigError;
use ca::Roots;
use rustls::client::WantsClientCert;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, ConfigBuilder, SupportedProtocolVersion};
use std::sync::Arc;

/// Who checks an origin's certificate.
pub(crate) type Verifier = Arc<dyn ServerCertVerifier>;

/// The TLS client configuration for `ca`: TLS 1.2 and 1.3, no client certificate, no ALPN. A caller that wants ALPN
/// clones it and sets `alpn_protocols`.
///
/// # Errors
///
/// If a file that `ca` names cannot be read or holds no certificate. The platform's own roots are loaded at the first
/// handshake, and their absence is a TLS error there.
pub fn tls_client_config(ca: &CaPolicy) -> Result<Arc<ClientConfig>, ConfigError> {
    config(general_verifier(ca)?)
}

/// The configuration that checks certificates with `verifier` and has no client certificate.
pub(crate) fn config(verifier: Verifier) -> Result<Arc<ClientConfig>, ConfigError> {
    let builder = builder(verifier, rustls::DEFAULT_VERSIONS);
    Ok(Arc::new(builder.map_err(|error| ConfigError::Tls(error.to_string()))?.with_no_client_auth()))
}

/// The verifier for `ca`.
pub(crate) fn general_verifier(ca: &CaPolicy) -> Result<Verifier, ConfigError> {
    match ca.roots()? {
        Roots::Loaded(roots) => match verifier(roots, provider()) {
            Ok(verifier) => Ok(verifier),
            Err(error) => Err(ConfigError::Tls(error.to_string())),
        },
        Roots::Platform => Ok(platform_verifier()),
    }
}

/// The verifier by the platform's roots.
pub(crate) fn platform_verifier() -> Verifier {
    Arc::new(platform::PlatformVerifier::new(provider()))
}

/// The verifier by the authorities in this PEM text.
pub(crate) fn pem_verifier(pem: &[u8]) -> Result<Verifier, String> {
    let verifier = verifier(ca::parse(pem)?, provider()).map_err(|error| error.to_string())?;
    Ok(verifier)
}

/// A configuration of these versions that checks certificates with `verifier`; the client's own certificate is wanting.
pub(crate) fn builder(
    verifier: Verifier,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn verifier(
    roots: rustls::RootCertStore,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, rustls::client::VerifierBuilderError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()
}
