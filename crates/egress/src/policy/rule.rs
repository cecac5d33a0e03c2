use super::canonical::{self, is_method};
use super::{Destination, HostPattern, Scheme, host_pattern::Parsed};
use crate::address::{AddressClass, canonical, canonical_net, classify, is_metadata_name};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use thiserror::Error;

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Opens it.
    Allow,
    /// Closes it. Deny wins over allow.
    Deny,
}

/// One rule. Every condition that is given must hold; one that is not given holds always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    action: Action,
    name: Option<String>,
    principals: Vec<String>,
    host: Option<HostPattern>,
    network: Option<IpNet>,
    ports: Option<RangeInclusive<u16>>,
    scheme: Option<Scheme>,
    methods: Vec<String>,
}

/// Why a rule makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// The host pattern is not a host.
    #[error("`{host}` is not a host for a rule: {why}")]
    Host {
        /// The text given.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// The network is neither a CIDR nor an address.
    #[error("`{0}` is not a network: give a CIDR such as 10.0.0.0/8, or one address")]
    Network(String),
    /// The port is 0, or the range is empty.
    #[error("{0}-{1} is not a range of ports from 1 to 65535")]
    Ports(u16, u16),
    /// Methods in a rule that allows, or that names addresses.
    #[error(
        "methods are for deny rules that name no address: a connection is judged when it is made, for every method that \
         will use it"
    )]
    Methods,
    /// A method that no request has, or none at all.
    #[error("`{}` is not a method for a rule: {why}", method.escape_debug())]
    Method {
        /// The text given.
        method: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The rule's name is empty, or has a control character.
    #[error("`{}` is not a name for a rule", .0.escape_debug())]
    Name(String),
    /// A list of principals without one, or with an empty one.
    #[error("a rule for principals must name at least one")]
    Principals,
}

impl Rule {
    /// A rule that opens what the conditions added to it name; with none, everything.
    pub fn allow() -> Self {
        Self::new(Action::Allow)
    }

    /// A rule that closes what the conditions added to it name; with none, everything.
    pub fn deny() -> Self {
        Self::new(Action::Deny)
    }

    fn new(action: Action) -> Self {
        Self {
            action,
            name: None,
            principals: Vec::new(),
            host: None,
            network: None,
            ports: None,
            scheme: None,
            methods: Vec::new(),
        }
    }

    /// The name by which decisions, logs and the audit know it; without one they show the rule itself.
    pub fn named(mut self, name: impl Into<String>) -> Result<Self, RuleError> {
        let name = name.into();
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(RuleError::Name(name));
        }
        self.name = Some(name);
        Ok(self)
    }

    /// Only for requests of these principals, compared exactly.
    pub fn principals(
        mut self,
        principals: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, RuleError> {
        self.principals = principals.into_iter().map(Into::into).collect();
        if self.principals.is_empty() || self.principals.iter().any(String::is_empty) {
            return Err(RuleError::Principals);
        }
        Ok(self)
    }

    /// Only this host: a name, `*.name` for everything below a name, or an address (the same as [`Rule::network`] with
    /// that address alone).
    pub fn host(mut self, host: &str) -> Result<Self, RuleError> {
        match HostPattern::parse(host)? {
            Parsed::Name(pattern) => self.host = Some(pattern),
            Parsed::Address(address) => self.network = Some(IpNet::from(canonical(address))),
        }
        self.checked()
    }

    /// Only addresses in this network: a CIDR or one address.
    pub fn network(mut self, network: &str) -> Result<Self, RuleError> {
        let bad = || RuleError::Network(network.to_owned());
        let net = match network.parse::<IpNet>() {
            Ok(net) => net,
            Err(_) => network.parse::<IpAddr>().map_err(|_| bad())?.into(),
        };
        self.network = Some(canonical_net(net));
        self.checked()
    }

    /// Only this port.
    pub fn port(self, port: u16) -> Result<Self, RuleError> {
        self.ports(port..=port)
    }

    /// Only these ports.
    pub fn ports(mut self, ports: RangeInclusive<u16>) -> Result<Self, RuleError> {
        if ports.is_empty() || *ports.start() == 0 {
            return Err(RuleError::Ports(*ports.start(), *ports.end()));
        }
        self.ports = Some(ports);
        Ok(self)
    }

    /// Only this scheme.
    #[must_use]
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = Some(scheme);
        self
    }

    /// Only these methods, whatever their case. For deny rules that name no address.
    pub fn methods(
        mut self,
        methods: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, RuleError> {
        let canonical =
            |method: String| canonical::method(&method).map_err(|why| RuleError::Method { method, why });
        self.methods =
            methods.into_iter().map(|method| canonical(method.into())).collect::<Result<_, _>>()?;
        if self.methods.is_empty() {
            return Err(RuleError::Method { method: String::new(), why: "name at least one" });
        }
        self.checked()
    }

    /// Why this can never apply to anything, if it cannot: what it says is denied before any rule is asked, or contradicts
    /// itself.
    pub fn is_moot(&self) -> Option<String> {
        if let (Some(HostPattern::Exact(name) | HostPattern::Below(name)), Some(network)) =
            (&self.host, &self.network)
            && canonical::is_at_or_below(name, "localhost")
            && ![IpAddr::from([127, 0, 0, 1]), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)]
                .iter()
                .any(|address| network.contains(address))
        {
            return Some(format!("`{name}` is loopback, and {network} is not: take one of them out"));
        }
        if self.action == Action::Deny {
            return None;
        }
        if let Some(network) = &self.network {
            let (first, last) = (network.network(), network.broadcast());
            let both = |class| classify(first) == class && classify(last) == class;
            if both(AddressClass::Unspecified) && (first == last || first.is_ipv4()) {
                return Some("0.0.0.0/8 and :: are always denied: no rule opens them".to_owned());
            }
            if first == last && both(AddressClass::Metadata) && !self.has_one_port() {
                return Some(format!(
                    "{first} is a metadata service, which opens for one port alone: write ports = 80"
                ));
            }
        }
        match &self.host {
            Some(HostPattern::Exact(name)) if is_metadata_name(name) && !self.has_one_port() => Some(
                format!("{name} is a metadata service, which opens for one port alone: write ports = 80"),
            ),
            _ => None,
        }
    }

    fn has_one_port(&self) -> bool {
        self.ports.as_ref().is_some_and(|ports| ports.start() == ports.end())
    }

    /// A pooled connection serves any method, and its address is judged once, so a rule that is judged with the address
    /// cannot tell methods apart.
    fn checked(self) -> Result<Self, RuleError> {
        if !self.methods.is_empty() && (self.action == Action::Allow || self.network.is_some()) {
            return Err(RuleError::Methods);
        }
        Ok(self)
    }

    /// Whether it allows or denies.
    pub fn action(&self) -> Action {
        self.action
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The principals it is limited to; empty: anyone.
    pub fn limited_to(&self) -> &[String] {
        &self.principals
    }

    /// The rule as it holds for one of its principals.
    pub(super) fn for_its_principals(&self) -> Self {
        Self { principals: Vec::new(), ..self.clone() }
    }

    /// Its name, else the rule itself.
    pub(super) fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.to_string())
    }

    pub(super) fn names_addresses(&self) -> bool {
        self.network.is_some()
    }

    /// Whether everything but the address matches.
    pub(super) fn matches_name(&self, destination: &Destination<'_>) -> bool {
        self.ports.as_ref().is_none_or(|ports| ports.contains(&destination.port))
            && self.scheme.is_none_or(|scheme| scheme == destination.scheme)
            && (self.methods.is_empty()
                || self.methods.iter().any(|method| is_method(method, destination.method)))
            && self.host.as_ref().is_none_or(|host| host.matches(destination.host))
    }

    /// Whether everything matches. `address` is canonical.
    pub(super) fn matches(&self, destination: &Destination<'_>, address: IpAddr) -> bool {
        self.network.is_none_or(|network| network.contains(&address)) && self.matches_name(destination)
    }

    /// Whether this names exactly this address and exactly one port.
    pub(super) fn pins_address(&self, destination: &Destination<'_>, address: IpAddr) -> bool {
        self.network == Some(IpNet::from(address))
            && self.pins_port(destination.port)
            && self.matches_name(destination)
    }

    /// Whether this names exactly this host name and exactly one port.
    pub(super) fn pins_name(&self, destination: &Destination<'_>) -> bool {
        matches!(self.host, Some(HostPattern::Exact(_)))
            && self.pins_port(destination.port)
            && self.matches_name(destination)
    }

    fn pins_port(&self, port: u16) -> bool {
        self.ports.as_ref() == Some(&(port..=port))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.action {
            Action::Allow => "allow",
            Action::Deny => "deny",
        })?;
        if let Some(scheme) = self.scheme {
            write!(f, " {}", scheme.as_str())?;
        }
        if let Some(host) = &self.host {
            write!(f, " host {host}")?;
        }
        if let Some(network) = &self.network {
            write!(f, " network {network}")?;
        }
        if let Some(ports) = &self.ports {
            match ports.start() == ports.end() {
                true => write!(f, " port {}", ports.start())?,
                false => write!(f, " ports {}-{}", ports.start(), ports.end())?,
            }
        }
        if !self.methods.is_empty() {
            write!(f, " methods {}", self.methods.join(","))?;
        }
        if !self.principals.is_empty() {
            write!(f, " principals {}", self.principals.join(","))?;
        }
        Ok(())
    }
}
