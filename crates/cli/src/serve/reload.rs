use super::{check, flags::Flags, names::Names, offers::offers, places::Places, plan::preset, said};
use crate::failure::Failure;
use afield_config::Serving;
use afield_egress::Egress;
use afield_executor::Offers;
use afield_transport::Tokens;
use std::{path::PathBuf, sync::Arc};

/// Puts a configuration that has changed in force, as far as that can be done while an executor runs.
pub(super) struct Again {
    pub file: PathBuf,
    pub flags: Flags,
    /// What was last read.
    pub said: Serving,
    /// What it was started with: what needs a restart to count holds as that says.
    pub running: Serving,
    pub egress: Egress,
    pub offers: Offers,
    /// By which names principals are known. Who comes in is decided at the start.
    pub names: Names,
    pub tokens: Option<Arc<Tokens>>,
}

impl Again {
    /// Reads the file again. On an error everything stays as it was.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn read(&mut self) -> Result<(), String> {
        let (new, warnings) = said(Some(&self.file)).map_err(|failure| one_line(&failure))?;
        let faults = check(&self.flags, &new, Some(&self.file), None);
        let preset = preset(self.flags.policy.as_deref()).map_err(|failure| one_line(&failure))?;
        let warned = faults.at_reload()?;
        let places = Places::of(&new, &self.names, preset).map_err(|problems| one_line_of(&problems))?;
        let digests = self.flags.access.clone().or(&new.serve).digests();
        let digests = digests.map_err(|failure| one_line(&failure))?;
        warnings.iter().map(ToString::to_string).chain(warned).for_each(|what| tracing::warn!("{what}"));
        if let Some(tokens) =
            self.tokens.as_ref().filter(|_| self.said.serve.token_sha256 != new.serve.token_sha256)
        {
            tokens.replace(digests).map_err(|error| error.to_string())?;
        }
        self.egress.reload(&places.policy, places.secrets, &places.upstreams);
        self.offers.replace(offers(&new));
        for key in needs_restart(&self.running, &new, self.tokens.is_some()) {
            tracing::warn!("`{key}` in the configuration has changed: that needs a restart");
        }
        self.said = new;
        Ok(())
    }
}

/// The keys whose change does not count before a restart.
fn needs_restart(running: &Serving, new: &Serving, has_tokens: bool) -> Vec<&'static str> {
    let (before, after) = (&running.serve, &new.serve);
    let changed = [
        ("serve.listen", before.listen != after.listen),
        ("serve.admin", before.admin != after.admin),
        ("serve.grace", before.grace != after.grace),
        ("serve.allowed_hosts", before.allowed_hosts != after.allowed_hosts),
        ("serve.ca", before.ca != after.ca),
        ("serve.tls_certificate", before.tls_certificate != after.tls_certificate),
        ("serve.tls_key", before.tls_key != after.tls_key),
        ("serve.tls_terminated_in_front", before.tls_terminated_in_front != after.tls_terminated_in_front),
        ("serve.proxy_protocol", before.proxy_protocol != after.proxy_protocol),
        ("serve.trusted_proxies", before.trusted_proxies != after.trusted_proxies),
        ("serve.allowed_users", before.allowed_users != after.allowed_users),
        ("serve.token_file", before.token_file != after.token_file),
        ("serve.token_sha256", !has_tokens && before.token_sha256 != after.token_sha256),
        ("serve.jwt", before.jwt != after.jwt),
        ("serve.client_certificates", before.client_certificates != after.client_certificates),
        ("limits", running.limits != new.limits),
        ("audit", running.audit != new.audit),
        ("log", running.log != new.log),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

fn one_line(failure: &Failure) -> String {
    let hint = failure.hint.iter().map(ToString::to_string);
    std::iter::once(failure.message.to_string())
        .chain(failure.details.iter().cloned())
        .chain(hint)
        .collect::<Vec<_>>()
        .join("; ")
}

fn one_line_of(error: &impl ToString) -> String {
    error.to_string().lines().collect::<Vec<_>>().join("; ")
}
