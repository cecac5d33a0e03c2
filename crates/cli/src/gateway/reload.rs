use super::{clients::Clients, config, flags::Flags, login::Logins, plan::Plan};
use crate::failure::Failure;
use afield_egress::OwnListeners;
use afield_gateway::Handle;
use std::{os::unix::fs::MetadataExt, path::PathBuf, time::Duration};
use tokio::signal::unix::Signal;

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// Reads the configuration again when it changes, or at SIGHUP, and puts it in place while the gateway runs.
pub(super) struct Again {
    pub flags: Flags,
    pub handle: Handle,
    pub clients: Clients,
    pub logins: Logins,
    pub own_listeners: OwnListeners,
}

/// What tells that files are not what they were.
type Stamps = Vec<Option<(i64, i64, u64, u64)>>;

impl Again {
    /// Watches for ever. Cancel safe.
    pub async fn watch(&mut self, mut hang_up: Signal) {
        let mut seen = self.stamps();
        loop {
            let asked = tokio::select! {
                _ = hang_up.recv() => true,
                () = tokio::time::sleep(INTERVAL) => false,
            };
            let now = self.stamps();
            if asked || now != seen {
                seen = now;
                match self.read().await {
                    Ok(routes) => tracing::info!(routes, "the configuration was read again"),
                    Err(why) => tracing::error!(
                        error = %why,
                        "the configuration cannot be used, and everything stays as it was"
                    ),
                }
            }
        }
    }

    /// Puts what the configuration says by now in place, and says how many routes that are.
    async fn read(&mut self) -> Result<usize, String> {
        let why = |failure: Failure| failure.text().lines().map(str::trim).collect::<Vec<_>>().join("; ");
        let plan = Plan::of(&self.flags).map_err(why)?;
        let mut logins = Logins::default();
        let new = config(&plan, &mut self.clients, &mut logins, self.own_listeners.clone()).map_err(why)?;
        let routes = new.routes.len();
        self.handle.replace(new).await.map_err(|error| error.to_string())?;
        std::mem::replace(&mut self.logins, logins).settle().await;
        Ok(routes)
    }

    fn stamps(&self) -> Stamps {
        let config = self.flags.config.location().ok().map(|location| location.path);
        let files: [Option<PathBuf>; 2] = [config, self.flags.gateway_token_file.clone()];
        let stamp = |file: PathBuf| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.mtime(), metadata.mtime_nsec(), metadata.len(), metadata.ino()))
        };
        files.into_iter().flatten().map(stamp).collect()
    }
}
