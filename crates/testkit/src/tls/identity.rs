use super::authority::params;
use super::server::Server;
use rcgen::{Certificate, ExtendedKeyUsagePurpose, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::io;
use std::path::{Path, PathBuf};

/// A certificate and its private key.
#[derive(Clone)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: Vec<u8>,
    key_pem: String,
}

impl Identity {
    pub(super) fn new(certificate: &Certificate, key: &KeyPair) -> Self {
        Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key: key.serialize_der(),
            key_pem: key.serialize_pem(),
        }
    }

    /// A server's certificate that no authority has signed.
    pub fn self_signed(names: &[&str]) -> Self {
        let key = KeyPair::generate().expect("the system has randomness");
        let params = params(names, ExtendedKeyUsagePurpose::ServerAuth);
        Self::new(&params.self_signed(&key).expect("the parameters are sound"), &key)
    }

    /// The certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key in PEM.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The certificate chain in DER: the certificate alone.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    /// The private key in DER.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    /// Writes `certificate.pem` and `key.pem` into `directory`, and returns their paths.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn write_to(&self, directory: &Path) -> io::Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
        std::fs::write(&certificate, &self.certificate_pem)?;
        std::fs::write(&key, &self.key_pem)?;
        Ok((certificate, key))
    }

    /// A TLS server that presents this certificate.
    pub fn server(&self) -> Server {
        Server::new(self.clone())
    }
}
