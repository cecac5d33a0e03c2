use crate::config::ConfigError;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which certificate authorities outbound TLS trusts.
#[derive(Clone, Debug, Default)]
pub enum CaPolicy {
    /// Those in the file that the first of these environment variables names, if one is set and not empty:
    /// `AFIELD_CA_CERTIFICATE`, `CODEX_CA_CERTIFICATE`, `SSL_CERT_FILE`; else the platform's.
    #[default]
    Environment,
    /// Those in this PEM file, and no others.
    File(PathBuf),
    /// Those in this PEM text, and no others.
    Pem(Arc<[u8]>),
    /// The platform's.
    Platform,
}

pub(super) enum Roots {
    Loaded(RootCertStore),
    Platform,
}

const VARIABLES: [&str; 3] = ["AFIELD_CA_CERTIFICATE", "CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"];

impl CaPolicy {
    pub(super) fn roots(&self) -> Result<Roots, ConfigError> {
        match self {
            Self::Environment => match first_set(|variable| std::env::var_os(variable)) {
                Some((variable, path)) => load(&path, Some(variable)),
                None => Ok(Roots::Platform),
            },
            Self::File(path) => load(path, None),
            Self::Pem(pem) => parse(pem).map(Roots::Loaded).map_err(ConfigError::Tls),
            Self::Platform => Ok(Roots::Platform),
        }
    }
}

fn first_set(var: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<(&'static str, PathBuf)> {
    VARIABLES.into_iter().find_map(|variable| {
        let path = var(variable).filter(|path| !path.is_empty())?;
        Some((variable, path.into()))
    })
}

fn load(path: &Path, variable: Option<&'static str>) -> Result<Roots, ConfigError> {
    let fail = |why: String| ConfigError::CaFile {
        origin: variable
            .map_or_else(|| "the CA file".to_owned(), |variable| format!("{variable}, the CA file")),
        path: path.to_owned(),
        why,
    };
    let pem = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    parse(&pem).map(Roots::Loaded).map_err(fail)
}

pub(super) fn parse(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let number = index + 1;
        let certificate = certificate.map_err(|error| format!("not PEM at certificate {number}: {error}"))?;
        roots.add(certificate).map_err(|error| format!("certificate {number} is unusable: {error}"))?;
    }
    if roots.is_empty() {
        return Err("no certificate in it (`-----BEGIN CERTIFICATE-----` is expected)".to_owned());
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the variables are asked in their order and that an empty one counts as not set.
    #[test]
    fn the_first_variable_that_is_set_and_not_empty_names_the_file() {
        let pick = |set: &[(&str, &str)]| {
            first_set(|name| set.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into()))
        };
        assert_eq!(pick(&[]), None);
        assert_eq!(pick(&[("SSL_CERT_FILE", "/c")]), Some(("SSL_CERT_FILE", "/c".into())));
        let all = [("AFIELD_CA_CERTIFICATE", ""), ("CODEX_CA_CERTIFICATE", "/b"), ("SSL_CERT_FILE", "/c")];
        assert_eq!(pick(&all), Some(("CODEX_CA_CERTIFICATE", "/b".into())));
        let first = [("AFIELD_CA_CERTIFICATE", "/a"), ("CODEX_CA_CERTIFICATE", "/b")];
        assert_eq!(pick(&first), Some(("AFIELD_CA_CERTIFICATE", "/a".into())));
    }

    /// Proves that the error for an unusable file says which file and which variable named it.
    #[test]
    fn an_unusable_file_is_named_with_its_variable() {
        let missing = Path::new("/nonexistent/ca.pem");
        let error = load(missing, Some("AFIELD_CA_CERTIFICATE")).err().expect("no such file").to_string();
        assert!(error.contains("AFIELD_CA_CERTIFICATE") && error.contains("/nonexistent/ca.pem"), "{error}");
        let error = parse(b"not a certificate").expect_err("no certificate");
        assert!(error.contains("no certificate"), "{error}");
        let error =
            parse(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect_err("junk");
        assert!(error.contains("certificate 1"), "{error}");
    }
}
