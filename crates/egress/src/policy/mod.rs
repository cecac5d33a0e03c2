//! What the operator allows: a preset and rules, judged for a destination.

mod host_pattern;
mod judge;
mod rule;

pub use host_pattern::HostPattern;
pub use rule::{Action, Rule, RuleError};

use std::fmt;
use std::net::IpAddr;

/// The ground a policy's rules stand on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Loopback, private, shared and public addresses are allowed; cloud metadata, link-local, unspecified, multicast,
    /// broadcast, embedded-IPv4 and reserved ones are denied.
    #[default]
    Standard,
    /// Public addresses alone are allowed.
    PublicOnly,
    /// Nothing is allowed but what rules name.
    AllowList,
}

impl Preset {
    /// The preset's name: `standard`, `public-only` or `allow-list`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::PublicOnly => "public-only",
            Self::AllowList => "allow-list",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The scheme of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Where a request would go, as far as it is known before a name is resolved.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The URL's scheme.
    pub scheme: Scheme,
    /// The URL's host as the URL parser gives it: an A-label name or an address without brackets.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The method.
    pub method: &'a str,
}

/// What a policy says about one destination, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go there.
    pub allowed: bool,
    /// What decided: a rule as its `Display` shows it, a preset and an address class (`standard/link-local`), or one
    /// of `metadata`, `unspecified`, `self`.
    pub rule: String,
}

/// What the operator allows.
///
/// A destination is judged in this order; the first that applies decides:
///
/// 1. `0.0.0.0/8` and `::` are denied, whatever the rules say: they reach loopback.
/// 2. A `deny` rule that matches.
/// 3. Cloud metadata services are denied, unless an `allow` rule names exactly that address and that one port
///    (for a metadata *name*: exactly that name and that one port, and the address it resolves to as well).
/// 4. An `allow` rule that matches. One that names addresses opens them whatever they are; one that does not opens
///    public, loopback, private and shared addresses, never link-local, multicast or reserved ones.
/// 5. The preset.
///
/// A name is denied whole if one of its addresses is.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    preset: Preset,
    rules: Vec<Rule>,
}

impl Policy {
    /// A preset alone.
    pub fn preset(preset: Preset) -> Self {
        Self { preset, rules: Vec::new() }
    }

    /// A preset with rules. Their order does not matter: deny wins.
    pub fn new(preset: Preset, rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { preset, rules: rules.into_iter().collect() }
    }

    /// The preset and the rules.
    pub fn parts(&self) -> (Preset, &[Rule]) {
        (self.preset, &self.rules)
    }

    /// What this policy says about `destination` once its host is known to be `address` (for a host that is an
    /// address: that address). Looks at the name and at the address.
    pub fn decide(&self, destination: &Destination<'_>, address: IpAddr) -> Decision {
        let verdict =
            self.judge_name(destination).unwrap_or_else(|| self.judge_address(destination, address));
        Decision { allowed: verdict.allowed, rule: verdict.reason.to_string() }
    }
}
