use crate::config::EgressConfig;
use crate::door::{Door, Way};
use crate::identity::Identity;
use crate::policy::Policy;
use crate::request::target::Target;
use crate::secrets::Secrets;
use crate::tls::Verifier;
use crate::upstream::{Slot, Upstreams};
use afield_exchange::Error;
use rustls::ClientConfig;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One policy with the connections that were made under it. A new policy gets a generation of its own; with the last
/// request that uses the old one, its idle connections close.
pub(crate) struct Generation {
    pub(crate) secrets: Secrets,
    /// For everyone of whom the rules say nothing of their own.
    anyone: View,
    /// For each principal that is named in a rule.
    named: HashMap<String, View>,
}

/// What holds for one principal. The door judges an address when a connection is made to it, not when a pooled one is
/// used: no connection outlives the rules it was made under.
pub(crate) struct View {
    pub(crate) door: Door,
    general: Arc<Identity>,
    upstreams: Vec<Slot>,
    settings: Arc<Settings>,
}

/// What does not change with the policy.
pub(crate) struct Settings {
    pub(crate) config: EgressConfig,
    pub(crate) verifier: Verifier,
    pub(crate) tls: Arc<ClientConfig>,
}

impl Generation {
    pub(crate) fn new(
        policy: &Policy,
        secrets: Secrets,
        upstreams: &Upstreams,
        settings: &Arc<Settings>,
    ) -> Self {
        let view = |principal| View::new(policy, upstreams, principal, settings);
        let of_upstreams = upstreams.rules().flat_map(|rule| rule.limited_to()).map(String::as_str);
        let principals: HashSet<&str> = policy.principals().into_iter().chain(of_upstreams).collect();
        let anyone = view(None);
        let named = principals.into_iter().map(|name| (name.to_owned(), view(Some(name)))).collect();
        Self { secrets, anyone, named }
    }

    pub(crate) fn view(&self, principal: Option<&str>) -> &View {
        match principal {
            Some(name) if !self.named.is_empty() => self.named.get(name).unwrap_or(&self.anyone),
            _ => &self.anyone,
        }
    }
}

impl View {
    fn new(
        policy: &Policy,
        upstreams: &Upstreams,
        principal: Option<&str>,
        settings: &Arc<Settings>,
    ) -> Self {
        let config = &settings.config;
        let door = Door::new(
            policy.of(principal),
            config.own_listeners.clone(),
            Arc::clone(&config.resolver),
            config.limits.dns,
        );
        let tls = ClientConfig::clone(&settings.tls);
        let general = Arc::new(Identity::new(tls, None, Arc::clone(settings)));
        Self { door, general, upstreams: upstreams.slots(principal), settings: Arc::clone(settings) }
    }

    /// The upstream rule for `target`, if there is one.
    pub(crate) fn upstream(&self, target: &Target) -> Option<&Slot> {
        self.upstreams.iter().find(|slot| slot.upstream().applies(target))
    }

    /// As whom an origin is met: as its upstream rule says, or as everyone.
    pub(crate) fn identity(&self, upstream: Option<&Slot>, way: &Way) -> Result<Arc<Identity>, Error> {
        match upstream {
            Some(slot) => slot.identity(way, &self.settings),
            None => Ok(Arc::clone(&self.general)),
        }
    }
}
