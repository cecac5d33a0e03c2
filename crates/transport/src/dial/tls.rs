use super::{DialConfig, DialError};
use crate::{
    FileError,
    listen::{read_chain, read_key},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, digest};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring::default_provider, verify_tls12_signature, verify_tls13_signature},
    server::ParsedCertificate,
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

/// The SHA-256 digest of an executor's certificate, or of its public key (`SubjectPublicKeyInfo`): either matches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// Pins this digest.
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Pins this certificate, in DER.
    pub fn of_certificate(certificate: &[u8]) -> Self {
        Self(sha256(certificate))
    }

    fn matches(&self, certificate: &CertificateDer<'_>) -> bool {
        let of_key = || {
            let parsed = ParsedCertificate::try_from(certificate).ok()?;
            Some(sha256(&parsed.subject_public_key_info()))
        };
        sha256(certificate) == self.0 || of_key() == Some(self.0)
    }
}

/// 64 hexadecimal digits, with colons between them or not, as `openssl x509 -fingerprint -sha256` prints them; or
/// `sha256//` and base64, as curl pins public keys.
impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "a pin is the SHA-256 digest of the executor's certificate or public key: 64 hexadecimal digits, or sha256//BASE64"
                .to_owned()
        };
        if let Some(base64) = text.strip_prefix("sha256//") {
            let bytes = STANDARD.decode(base64).map_err(|_| wrong())?;
            return bytes.try_into().map(Self).map_err(|_| wrong());
        }
        let digits = text.replace(':', "");
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A client certificate and its key, in PEM files that are read for each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The chain, the client's own certificate first.
    pub certificate: PathBuf,
    /// Its key, not encrypted.
    pub key: PathBuf,
}

impl ClientIdentity {
    fn load(&self, provider: &CryptoProvider) -> Result<SingleCertAndKey, FileError> {
        let certified =
            CertifiedKey::from_der(read_chain(&self.certificate)?, read_key(&self.key)?, provider);
        certified.map(SingleCertAndKey::from).map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                let of = self.certificate.display();
                FileError::new(&self.key, format!("it is not the key of the first certificate in {of}"))
            }
            error => FileError::new(&self.key, error.to_string()),
        })
    }
}

/// How TLS is spoken with an executor: as configured, or by the pins alone; with the client's certificate, if it has one.
pub(super) fn client_config(config: &DialConfig) -> Result<Arc<ClientConfig>, DialError> {
    let base = match &config.tls {
        Some(tls) => tls.clone(),
        None if config.pins.is_empty() => return Err(DialError::TlsNotConfigured),
        None => pinned(config.pins.clone()),
    };
    let Some(identity) = &config.identity else { return Ok(base) };
    let resolver = identity.load(base.crypto_provider()).map_err(DialError::Identity)?;
    let mut with_identity = (*base).clone();
    with_identity.client_auth_cert_resolver = Arc::new(resolver);
    Ok(Arc::new(with_identity))
}

/// Whether the certificate that was presented is a pinned one, where any is pinned.
pub(super) fn check_pins(pins: &[Pin], chain: Option<&[CertificateDer<'_>]>) -> Result<(), Error> {
    if pins.is_empty() {
        return Ok(());
    }
    let Some(certificate) = chain.and_then(<[_]>::first) else {
        return Err(Error::NoCertificatesPresented);
    };
    match pins.iter().any(|pin| pin.matches(certificate)) {
        true => Ok(()),
        false => Err(Error::General(format!(
            "the certificate is none of the pinned ones (its SHA-256 digest is {})",
            Pin::of_certificate(certificate)
        ))),
    }
}

fn pinned(pins: Vec<Pin>) -> Arc<ClientConfig> {
    let provider = Arc::new(default_provider());
    let verifier = Arc::new(Pinned { pins, provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Arc::new(config)
}

/// Trusts whoever proves to hold the key of a pinned certificate, and nobody else. What else the certificate says counts
/// for nothing: no name, no date, no authority.
#[derive(Debug)]
struct Pinned {
    pins: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        check_pins(&self.pins, Some(std::slice::from_ref(end_entity)))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a pin is read in the forms in which OpenSSL and curl print it, and nonsense is not.
    #[test]
    fn a_pin_is_hexadecimal_or_base64() {
        let pin = Pin::new(sha256(b"abc"));
        let hex = pin.to_string();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let colons: Vec<_> = (0..32).map(|at| hex[at * 2..at * 2 + 2].to_uppercase()).collect();
        let base64 = format!("sha256//{}", STANDARD.encode(sha256(b"abc")));
        for text in [&hex, &colons.join(":"), &base64] {
            assert_eq!(text.parse(), Ok(pin), "{text}");
        }
        for wrong in ["", "sha256//", "sha256//AAAA", &hex[1..], &"é".repeat(32)] {
            assert!(wrong.parse::<Pin>().is_err(), "{wrong}");
        }
    }
}
