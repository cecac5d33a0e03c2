use super::{Names, held, offers, rules, ways};
use afield_config::{Problems, Serving};
use afield_egress::{Policy, Preset, Secrets, Upstreams};

/// What can be put in force while an executor runs: where requests may go, what is held for them, and by which way they go.
#[derive(Debug)]
pub(crate) struct Places {
    pub policy: Policy,
    pub secrets: Secrets,
    pub upstreams: Upstreams,
}

impl Places {
    /// What a file says of it, with this preset in the place of its own if there is one. Principals are who these names say.
    ///
    /// # Errors
    ///
    /// Everything that makes no sense.
    pub fn of(serving: &Serving, names: &Names, preset: Option<Preset>) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut serving = serving.clone();
        names.complete(&mut serving, &mut problems);
        serving.attach.extend(offers::attached(&serving).collect::<Vec<_>>());
        let places = Self {
            policy: rules::policy(&serving.policy, preset, &mut problems),
            secrets: held::secrets(&serving, &mut problems),
            upstreams: ways::upstreams(&serving.upstreams, &mut problems),
        };
        if problems.is_empty() {
            offers::check(&serving, &places.secrets, &mut problems);
        }
        Problems::of(problems).map_or(Ok(places), Err)
    }

    /// What of it cannot be used now: values and files that are not there, or are no good. Reads them all.
    pub fn lacking(&self) -> Vec<String> {
        [self.secrets.problems(), self.upstreams.problems()].concat()
    }
}
