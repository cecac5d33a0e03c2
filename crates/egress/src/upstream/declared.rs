use super::proxy::Proxy;
use crate::policy::{Place, RuleError};
use crate::request::target::Target;
use std::path::PathBuf;
use thiserror::Error;

/// As whom, and by which way, the origins at some places are met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    name: String,
    places: Vec<Place>,
    principals: Vec<String>,
    pub(super) certificate: Option<ClientCertificate>,
    pub(super) ca: Option<UpstreamCa>,
    pub(super) proxy: Option<Proxy>,
    pub(super) min_tls: TlsVersion,
    own_host: bool,
}

/// A client certificate with its key, in PEM files that are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those that lead from it to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Certificate authorities for a place, in a PEM file that is read again when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamCa {
    /// The file.
    pub file: PathBuf,
    /// Whether these are the only ones trusted there; otherwise they are in addition to the general ones.
    pub only: bool,
}

/// The lowest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Why an upstream rule makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UpstreamError {
    /// The name is empty.
    #[error("an upstream must have a name")]
    Name,
    /// Two rules of one name.
    #[error("there are two upstreams named `{0}`")]
    Twice(String),
    /// It never applies.
    #[error("upstream `{upstream}` never applies: `{by}` stands before it, for the same hosts and more")]
    Shadowed {
        /// The rule.
        upstream: String,
        /// The rule that takes everything it is for.
        by: String,
    },
    /// It applies nowhere.
    #[error("upstream `{0}`: name the hosts it is for, or `*`")]
    Places(String),
    /// A place is not one.
    #[error("upstream `{upstream}`: {error}")]
    Place {
        /// The rule.
        upstream: String,
        /// What is wrong with the place.
        error: RuleError,
    },
    /// The proxy is not one.
    #[error("not a proxy: {0}")]
    Proxy(String),
}

impl Upstream {
    /// A rule of this name for these places (see [`Place`]; `*` is every host).
    pub fn new<'a>(
        name: impl Into<String>,
        places: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, UpstreamError> {
        let name = name.into();
        if name.is_empty() {
            return Err(UpstreamError::Name);
        }
        let places: Vec<Place> = places
            .into_iter()
            .map(Place::parse)
            .collect::<Result<_, _>>()
            .map_err(|error| UpstreamError::Place { upstream: name.clone(), error })?;
        if places.is_empty() {
            return Err(UpstreamError::Places(name));
        }
        Ok(Self {
            name,
            places,
            principals: Vec::new(),
            certificate: None,
            ca: None,
            proxy: None,
            min_tls: TlsVersion::default(),
            own_host: false,
        })
    }

    /// Only for requests of these principals; unless given, of anyone.
    #[must_use]
    pub fn principals(mut self, principals: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.principals = principals.into_iter().map(Into::into).collect();
        self
    }

    /// Shows this certificate to origins that ask for one.
    #[must_use]
    pub fn certificate(mut self, certificate: ClientCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Trusts these authorities.
    #[must_use]
    pub fn ca(mut self, ca: UpstreamCa) -> Self {
        self.ca = Some(ca);
        self
    }

    /// Connects through this proxy; but to loopback always directly.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Speaks this version of TLS at least.
    #[must_use]
    pub fn min_tls(mut self, version: TlsVersion) -> Self {
        self.min_tls = version;
        self
    }

    /// Lets requests through the proxy whose `Host` is not their URL's: the proxy, and what it leads to, may go by either.
    #[must_use]
    pub fn allow_own_host(mut self) -> Self {
        self.own_host = true;
        self
    }

    pub(crate) fn allows_own_host(&self) -> bool {
        self.own_host
    }

    pub(crate) fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    pub(crate) fn shows_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    /// Whether every request that `other` is for is one that this is for.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let all = |own: &[String], theirs: &[String]| {
            own.is_empty() || !theirs.is_empty() && theirs.iter().all(|name| own.contains(name))
        };
        all(&self.principals, &other.principals)
            && other.places.iter().all(|place| self.places.iter().any(|own| own.covers(place)))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The principals it is limited to; empty: anyone.
    pub fn limited_to(&self) -> &[String] {
        &self.principals
    }

    pub(super) fn is_for(&self, principal: Option<&str>) -> bool {
        self.principals.is_empty()
            || principal.is_some_and(|name| self.principals.iter().any(|other| other == name))
    }

    pub(crate) fn applies(&self, target: &Target) -> bool {
        self.places.iter().any(|place| place.matches(target.host(), target.literal, target.port))
    }
}
