//! The order in which a policy's parts decide; see [`Policy`].

use super::{Action, Decision, Destination, Policy, Preset, Rule};
use crate::address::{AddressClass, canonical, classify, is_metadata_name};
use std::net::IpAddr;

/// A decision that has not been spelled out: nothing is allocated for it.
pub(crate) struct Verdict<'p> {
    pub(crate) allowed: bool,
    pub(crate) reason: Reason<'p>,
}

/// What decided.
pub(crate) enum Reason<'p> {
    Rule(&'p Rule),
    Preset(Preset, AddressClass),
    /// The name is on no allow list.
    Unlisted,
    Always(AddressClass),
}

impl Reason<'_> {
    /// The word for it in decisions, logs and the audit.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Rule(rule) => rule.label(),
            Self::Preset(preset, class) => format!("{preset}/{}", class.as_str()),
            Self::Unlisted => "allow-list/unlisted".to_owned(),
            Self::Always(class) => class.as_str().to_owned(),
        }
    }
}

impl Verdict<'_> {
    pub(super) fn decision(&self) -> Decision {
        Decision { allowed: self.allowed, rule: self.reason.label() }
    }
}

impl Policy {
    /// The denial that is certain before the host is resolved, if there is one. Asked at every hop, also when a pooled
    /// connection will serve it.
    pub(crate) fn judge_name(&self, destination: &Destination<'_>) -> Option<Verdict<'_>> {
        let denied = self
            .with_action(Action::Deny)
            .find(|rule| !rule.names_addresses() && rule.matches_name(destination));
        if let Some(rule) = denied {
            return Some(Verdict { allowed: false, reason: Reason::Rule(rule) });
        }
        if is_metadata_name(destination.host)
            && !self.with_action(Action::Allow).any(|rule| rule.pins_name(destination))
        {
            return Some(Verdict { allowed: false, reason: Reason::Always(AddressClass::Metadata) });
        }
        if self.preset == Preset::AllowList
            && !self.with_action(Action::Allow).any(|rule| rule.matches_name(destination))
        {
            return Some(Verdict { allowed: false, reason: Reason::Unlisted });
        }
        None
    }

    /// The verdict on one address of a destination that [`Policy::judge_name`] did not deny.
    pub(crate) fn judge_address(&self, destination: &Destination<'_>, address: IpAddr) -> Verdict<'_> {
        let address = canonical(address);
        let class = classify(address);
        if class == AddressClass::Unspecified {
            return Verdict { allowed: false, reason: Reason::Always(class) };
        }
        if let Some(rule) = self.with_action(Action::Deny).find(|rule| rule.matches(destination, address)) {
            return Verdict { allowed: false, reason: Reason::Rule(rule) };
        }
        let mut allows = self.with_action(Action::Allow);
        if class == AddressClass::Metadata {
            return match allows.find(|rule| rule.pins_address(destination, address)) {
                Some(rule) => Verdict { allowed: true, reason: Reason::Rule(rule) },
                None => Verdict { allowed: false, reason: Reason::Always(class) },
            };
        }
        let ordinary = Preset::Standard.opens(class);
        let opens = |rule: &&Rule| (ordinary || rule.names_addresses()) && rule.matches(destination, address);
        if let Some(rule) = allows.find(opens) {
            return Verdict { allowed: true, reason: Reason::Rule(rule) };
        }
        Verdict { allowed: self.preset.opens(class), reason: Reason::Preset(self.preset, class) }
    }

    /// What is said of a public address that no rule names, for a destination that [`Policy::judge_name`] did not deny.
    pub(crate) fn decide_ordinary(&self, destination: &Destination<'_>) -> Decision {
        let mut rules = self.rules.iter().filter(|rule| rule.limited_to().is_empty());
        let opens = |rule: &&Rule| {
            rule.action() == Action::Allow && !rule.names_addresses() && rule.matches_name(destination)
        };
        let verdict = match rules.find(opens) {
            Some(rule) => Verdict { allowed: true, reason: Reason::Rule(rule) },
            None => {
                let class = AddressClass::Public;
                Verdict { allowed: self.preset.opens(class), reason: Reason::Preset(self.preset, class) }
            }
        };
        verdict.decision()
    }

    fn with_action(&self, action: Action) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| rule.action() == action && rule.limited_to().is_empty())
    }
}

impl Preset {
    fn opens(self, class: AddressClass) -> bool {
        match self {
            Self::Standard => matches!(
                class,
                AddressClass::Public | AddressClass::Loopback | AddressClass::Private | AddressClass::Shared
            ),
            Self::PublicOnly => class == AddressClass::Public,
            Self::AllowList => false,
        }
    }
}
