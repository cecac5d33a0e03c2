use super::canonical::{bare, check_name, is_below, is_name};
use super::rule::RuleError;
use super::spelling;
use std::fmt;
use std::net::IpAddr;
use url::Host;

/// A host name in a rule: exact, or everything below a name.
///
/// Names are compared as A-labels, without regard to case or a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// Exactly this name.
    Exact(String),
    /// `*.name`: every name that ends in this one on a label boundary, but not this name itself.
    Below(String),
}

/// What the text of a host in a rule turned out to be.
pub(super) enum Parsed {
    Name(HostPattern),
    Address(IpAddr),
}

impl HostPattern {
    /// Whether `host` matches. `host` is an A-label name, as the URL parser gives it.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => is_name(host, name),
            Self::Below(name) => is_below(host, name),
        }
    }

    /// Whether this matches whatever `other` matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Exact(name) => self.matches(name),
            Self::Below(name) => {
                matches!(self, Self::Below(own) if is_name(own, name) || is_below(name, own))
            }
        }
    }

    /// Reads a name, `*.name` or an address; nothing else, and no name that no request can go to.
    pub(super) fn parse(text: &str) -> Result<Parsed, RuleError> {
        let bad = |why: &str| spelling::not_a_host(text, why);
        if let Some(meant) = spelling::of_host(text) {
            return Err(bad(&meant));
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        if !below && let Ok(address) = inner.parse::<IpAddr>() {
            return Ok(Parsed::Address(address));
        }
        if text == "*" {
            return Err(bad("leave hosts out to mean every host"));
        }
        if name.is_empty() || name.contains('*') {
            return Err(bad("`*` stands only for whole labels at the start, as in `*.example.com`"));
        }
        match Host::parse(name) {
            Ok(Host::Domain(name)) => {
                check_name(&name).map_err(bad)?;
                let name = bare(&name).to_owned();
                Ok(Parsed::Name(if below { Self::Below(name) } else { Self::Exact(name) }))
            }
            Ok(_) if below => Err(bad("`*.` before an address means nothing; give a CIDR")),
            Ok(Host::Ipv4(address)) => Ok(Parsed::Address(address.into())),
            Ok(Host::Ipv6(address)) => Ok(Parsed::Address(address.into())),
            Err(error) => Err(bad(&error.to_string())),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}
