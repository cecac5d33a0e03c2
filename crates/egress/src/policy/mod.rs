//! What the operator allows: a preset and rules, judged for a destination.

pub(crate) mod canonical;
mod host_pattern;
mod judge;
mod place;
mod rule;
mod spelling;

pub use host_pattern::HostPattern;
pub(crate) use judge::{Reason, Verdict};
pub use place::Place;
pub use rule::{Action, Rule, RuleError};

use std::collections::BTreeSet;
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
    /// What decided: a rule's name (or the rule as its `Display` shows it), a preset and an address class (`standard/link-local`), or one
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
///
/// A rule may be limited to principals ([`Rule::principals`]), and principals may have a policy of their own
/// ([`Policy::with_principals`]); [`Policy::of`] is what holds for one of them.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    preset: Preset,
    rules: Vec<Rule>,
    of_principals: Vec<(Vec<String>, Policy)>,
}

impl Policy {
    /// A preset alone.
    pub fn preset(preset: Preset) -> Self {
        Self { preset, ..Self::default() }
    }

    /// A preset with rules. Their order does not matter: deny wins.
    pub fn new(preset: Preset, rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { preset, rules: rules.into_iter().collect(), of_principals: Vec::new() }
    }

    /// Gives these principals a policy of their own, in the place of this one. Where a principal is given several, the
    /// first holds.
    #[must_use]
    pub fn with_principals(
        mut self,
        principals: impl IntoIterator<Item = impl Into<String>>,
        policy: Policy,
    ) -> Self {
        self.of_principals.push((principals.into_iter().map(Into::into).collect(), policy));
        self
    }

    /// What holds for the requests of `principal`: its own policy if it has one, else this one, with the rules that are
    /// limited to others taken out. `None`: a request of nobody in particular.
    #[must_use]
    pub fn of(&self, principal: Option<&str>) -> Policy {
        let named = |names: &[String]| principal.is_some_and(|name| names.iter().any(|other| other == name));
        let own = self.of_principals.iter().find(|(names, _)| named(names));
        let base = own.map_or(self, |(_, policy)| policy);
        let rules = base.rules.iter().filter(|rule| rule.limited_to().is_empty() || named(rule.limited_to()));
        Self::new(base.preset, rules.map(Rule::for_its_principals))
    }

    /// Every principal that this policy says something about of its own.
    pub fn principals(&self) -> BTreeSet<&str> {
        let own = self.of_principals.iter();
        let of_own = own.flat_map(|(names, policy)| names.iter().chain(policy.limited_to()));
        of_own.chain(self.limited_to()).map(String::as_str).collect()
    }

    fn limited_to(&self) -> impl Iterator<Item = &String> {
        self.rules.iter().flat_map(Rule::limited_to)
    }

    /// The preset and the rules.
    pub fn parts(&self) -> (Preset, &[Rule]) {
        (self.preset, &self.rules)
    }

    /// What this policy says about `destination` once its host is known to be `address` (for a host that is an
    /// address: that address), in a request of nobody in particular; ask [`Policy::of`] for those of a principal.
    /// Looks at the name and at the address.
    pub fn decide(&self, destination: &Destination<'_>, address: IpAddr) -> Decision {
        self.judge_name(destination).unwrap_or_else(|| self.judge_address(destination, address)).decision()
    }

    /// The denial that holds whatever `destination`'s name resolves to, if there is one.
    pub fn decide_name(&self, destination: &Destination<'_>) -> Option<Decision> {
        self.judge_name(destination).map(|verdict| verdict.decision())
    }
}
