use super::rule::RuleError;
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
    /// Whether `host` matches. `host` is an A-label name in lower case, as the URL parser gives it.
    pub fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            Self::Exact(name) => host == name,
            Self::Below(name) => {
                host.strip_suffix(name.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
        }
    }

    pub(super) fn parse(text: &str) -> Result<Parsed, RuleError> {
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        if !below && let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Parsed::Address(address));
        }
        let bad = |why: &str| RuleError::Host { host: text.to_owned(), why: why.to_owned() };
        if name.is_empty() || name.contains('*') {
            return Err(bad("`*` stands only for whole labels at the start, as in `*.example.com`"));
        }
        match Host::parse(name) {
            Ok(Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
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
