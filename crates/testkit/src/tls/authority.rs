use super::identity::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tempfile::NamedTempFile;

/// A certificate authority that nobody trusts unless a test says so. Each is different.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Ca {
    /// Makes a new authority and writes its certificate to a file that lives as long as it does.
    ///
    /// # Panics
    ///
    /// When no temporary file can be written.
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("the system has randomness");
        let mut params = CertificateParams::default();
        // Two authorities of one name would be told apart by a bad signature only.
        let number = getrandom::u64().expect("the system has randomness");
        params.distinguished_name.push(DnType::CommonName, format!("afield test authority {number:016x}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, key).expect("the parameters are sound");
        let mut file =
            tempfile::Builder::new().suffix(".pem").tempfile().expect("a temporary file can be made");
        file.write_all(issuer.pem().as_bytes()).expect("a temporary file can be written");
        Self { issuer, file }
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A file with its certificate in PEM.
    pub fn pem_file(&self) -> &Path {
        self.file.path()
    }

    /// Its certificate in DER.
    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A store that trusts it and nothing else.
    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).expect("the certificate is well formed");
        Arc::new(roots)
    }

    /// A client configuration that trusts it and nothing else, offering these protocols by ALPN.
    pub fn client_config<'a>(&self, alpn: impl IntoIterator<Item = &'a str>) -> rustls::ClientConfig {
        let mut config = rustls::ClientConfig::builder_with_provider(super::server::provider())
            .with_safe_default_protocol_versions()
            .expect("the provider supports the default versions")
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        config.alpn_protocols = alpn.into_iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    /// A server's certificate for these names and addresses, valid now. Give another name than the one called for a
    /// "wrong host", and use another authority's for an "unknown CA".
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.sign(params(names, ExtendedKeyUsagePurpose::ServerAuth))
    }

    /// A server's certificate that ended in 2001.
    pub fn issue_expired(&self, names: &[&str]) -> Identity {
        let mut params = params(names, ExtendedKeyUsagePurpose::ServerAuth);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(params)
    }

    /// A server's certificate that is not valid before 3000.
    pub fn issue_not_yet_valid(&self, names: &[&str]) -> Identity {
        let mut params = params(names, ExtendedKeyUsagePurpose::ServerAuth);
        params.not_before = date_time_ymd(3000, 1, 1);
        params.not_after = date_time_ymd(3001, 1, 1);
        self.sign(params)
    }

    /// A client's certificate.
    pub fn issue_client(&self, name: &str) -> Identity {
        self.sign(params(&[name], ExtendedKeyUsagePurpose::ClientAuth))
    }

    /// A client's certificate that ends then.
    pub fn issue_client_until(&self, name: &str, end: std::time::SystemTime) -> Identity {
        let mut params = params(&[name], ExtendedKeyUsagePurpose::ClientAuth);
        params.not_after = end.into();
        self.sign(params)
    }

    /// A server's certificate for this name or address that ends then.
    pub fn issue_until(&self, name: &str, end: std::time::SystemTime) -> Identity {
        let mut params = params(&[name], ExtendedKeyUsagePurpose::ServerAuth);
        params.not_after = end.into();
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("the system has randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("the parameters are sound");
        Identity::new(&certificate, &key)
    }
}

impl Default for Ca {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) fn params(names: &[&str], usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("the test gives names and addresses");
    params.distinguished_name.push(DnType::CommonName, "afield test");
    params.extended_key_usages = vec![usage];
    params
}
