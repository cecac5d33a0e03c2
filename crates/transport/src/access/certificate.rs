use rustls_pki_types::CertificateDer;
use std::{fmt, str::FromStr, time::SystemTime};
use x509_cert::{
    Certificate,
    der::{
        Decode,
        asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef},
        oid::db::rfc4519::COMMON_NAME,
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// A certificate that a client presented, with what leads from it to its authority.
#[derive(Clone)]
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    names: Names,
    not_after: SystemTime,
}

#[derive(Clone, Default)]
struct Names {
    uris: Vec<String>,
    dns: Vec<String>,
    emails: Vec<String>,
    common: Option<String>,
}

/// Which of a certificate's names says who its holder is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameRule {
    /// The first there is of: a URI, a DNS name, an e-mail address (each in the subject's alternative names), the
    /// subject's common name.
    #[default]
    First,
    /// The first URI among the alternative names, such as a SPIFFE ID.
    Uri,
    /// The first DNS name among the alternative names.
    Dns,
    /// The first e-mail address among the alternative names.
    Email,
    /// The subject's common name.
    CommonName,
}

impl FromStr for NameRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "first" => Self::First,
            "uri" => Self::Uri,
            "dns" => Self::Dns,
            "email" => Self::Email,
            "cn" => Self::CommonName,
            _ => return Err("known are first, uri, dns, email and cn".to_owned()),
        })
    }
}

impl ClientCertificate {
    /// Reads what is needed from a chain, the holder's own certificate first. It is not checked here.
    ///
    /// # Errors
    ///
    /// A few words, if that certificate is not well-formed X.509.
    pub fn parse(chain: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let own = chain.first().ok_or("there is no certificate")?;
        let certificate = Certificate::from_der(own).map_err(|error| error.to_string())?;
        let certificate = certificate.tbs_certificate;
        let names = names(&certificate).map_err(|error| error.to_string())?;
        let not_after = certificate.validity.not_after.to_system_time();
        Ok(Self { chain, names, not_after })
    }

    /// The certificates, the holder's own first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// When it expires.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Its holder's name by this rule, if it has such a name.
    pub fn name(&self, rule: NameRule) -> Option<&str> {
        let Names { uris, dns, emails, common } = &self.names;
        match rule {
            NameRule::Uri => uris.first(),
            NameRule::Dns => dns.first(),
            NameRule::Email => emails.first(),
            NameRule::CommonName => common.as_ref(),
            NameRule::First => uris.first().or(dns.first()).or(emails.first()).or(common.as_ref()),
        }
        .map(String::as_str)
    }
}

fn names(certificate: &x509_cert::TbsCertificate) -> x509_cert::der::Result<Names> {
    let mut names = Names::default();
    if let Some((_, alternatives)) = certificate.get::<SubjectAltName>()? {
        for name in alternatives.0 {
            match name {
                GeneralName::UniformResourceIdentifier(uri) => names.uris.push(uri.to_string()),
                GeneralName::DnsName(dns) => names.dns.push(dns.to_string()),
                GeneralName::Rfc822Name(email) => names.emails.push(email.to_string()),
                _ => {}
            }
        }
    }
    let attributes = certificate.subject.0.iter().flat_map(|names| names.0.iter());
    // Of several the last is the most specific (RFC 4514, section 2.1).
    names.common = attributes
        .filter(|attribute| attribute.oid == COMMON_NAME)
        .filter_map(|attribute| {
            let value = &attribute.value;
            Utf8StringRef::try_from(value)
                .map(|text| text.to_string())
                .or_else(|_| PrintableStringRef::try_from(value).map(|text| text.to_string()))
                .or_else(|_| Ia5StringRef::try_from(value).map(|text| text.to_string()))
                .ok()
        })
        .next_back();
    Ok(names)
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("name", &self.name(NameRule::First))
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}
