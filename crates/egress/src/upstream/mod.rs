//! As whom an origin is met, and by which way: client certificate, authorities, proxy. By rules for hosts.

mod built;
mod declared;
mod proxy;

pub(crate) use built::Slot;
pub use declared::{ClientCertificate, TlsVersion, Upstream, UpstreamCa, UpstreamError};
pub use proxy::{Proxy, ProxyScheme};

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// The rules by which upstreams are chosen: for each hop the first that applies. Cheap to clone. The default: none, so
/// that every origin is met directly, with the authorities of [`EgressConfig::ca`](crate::EgressConfig::ca) and no client
/// certificate.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    rules: Arc<[Arc<Upstream>]>,
    check_every: Option<Duration>,
}

impl Upstreams {
    /// These rules, in this order.
    ///
    /// # Errors
    ///
    /// If two have one name, or one never applies because another stands before it.
    pub fn new(rules: impl IntoIterator<Item = Upstream>) -> Result<Self, UpstreamError> {
        let rules: Arc<[Arc<Upstream>]> = rules.into_iter().map(Arc::new).collect();
        let mut names = HashSet::new();
        if let Some(twice) = rules.iter().find(|rule| !names.insert(rule.name())) {
            return Err(UpstreamError::Twice(twice.name().to_owned()));
        }
        for (at, rule) in rules.iter().enumerate() {
            if let Some(before) = rules[..at].iter().find(|before| before.covers(rule)) {
                let (upstream, by) = (rule.name().to_owned(), before.name().to_owned());
                return Err(UpstreamError::Shadowed { upstream, by });
            }
        }
        Ok(Self { rules, check_every: None })
    }

    /// How often at most files are looked at for changes; 1 s unless set. Zero: at each use.
    #[must_use]
    pub fn check_every(mut self, interval: Duration) -> Self {
        self.check_every = Some(interval);
        self
    }

    /// Reads every file and says what is wrong with those that cannot be used.
    pub fn problems(&self) -> Vec<String> {
        self.rules.iter().filter_map(|rule| rule.problem()).collect()
    }

    /// The rules.
    pub fn rules(&self) -> impl Iterator<Item = &Upstream> {
        self.rules.iter().map(|rule| &**rule)
    }

    /// A place to build each rule that holds for this principal, in order.
    pub(crate) fn slots(&self, principal: Option<&str>) -> Vec<Slot> {
        let every = self.check_every.unwrap_or(crate::watched::CHECK_EVERY);
        let own = self.rules.iter().filter(|rule| rule.is_for(principal));
        own.map(|rule| Slot::new(Arc::clone(rule), every)).collect()
    }
}
