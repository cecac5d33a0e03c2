use super::{clients::Clients, config, flags::Flags, login::Logins, offered::Offered, plan::Plan};
use crate::failure::Failure;
use afield_egress::OwnListeners;
use afield_gateway::Handle;
use std::{collections::BTreeMap, os::unix::fs::MetadataExt, path::PathBuf, time::Duration};
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
    /// What executors offer.
    pub offered: Offered,
    /// Files besides the configuration that are looked at.
    pub files: Vec<PathBuf>,
}

/// What tells that files are not what they were.
type Stamps = BTreeMap<PathBuf, Option<(i64, i64, u64, u64)>>;

impl Again {
    /// Watches for ever. Cancel safe.
    pub async fn watch(&mut self, mut hang_up: Signal) {
        let mut seen = self.stamps();
        loop {
            let asked = tokio::select! {
                _ = hang_up.recv() => true,
                () = tokio::time::sleep(INTERVAL) => false,
            };
            if self.offered.is_due() {
                self.ask().await;
            }
            let now = self.stamps();
            if asked || now != seen {
                let read = self.read().await;
                // What changed while it was read is read again; of files that were not looked at before nothing older is known.
                seen = self.stamps();
                for (file, stamp) in now {
                    seen.entry(file).and_modify(|seen| *seen = stamp);
                }
                match read {
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
        self.offered.ask(&self.flags.config.load().map_err(why)?).await;
        self.put_in_place().await
    }

    /// Asks the executors what they offer by now. What is different is put in place.
    async fn ask(&mut self) {
        let Ok(config) = self.flags.config.load() else { return };
        if !self.offered.ask(&config).await {
            return;
        }
        match self.put_in_place().await {
            Ok(routes) => tracing::info!(routes, "executors offer other servers now"),
            Err(why) => tracing::error!(error = %why, "what executors offer cannot be used"),
        }
    }

    async fn put_in_place(&mut self) -> Result<usize, String> {
        let plan = Plan::of(&self.flags, &self.offered).map_err(why)?;
        let mut logins = Logins::default();
        self.clients.begin_again(plan.access.clone());
        let new = config(&plan, &mut self.clients, &mut logins, self.own_listeners.clone()).map_err(why)?;
        let routes = new.routes.len();
        self.handle.replace(new).await.map_err(|error| error.to_string())?;
        self.clients.forget_unused();
        self.files = plan.files;
        std::mem::replace(&mut self.logins, logins).settle().await;
        Ok(routes)
    }

    fn stamps(&self) -> Stamps {
        let config = self.flags.config.location().ok().map(|location| location.path);
        let stamp = |file: &PathBuf| {
            let stamp = std::fs::metadata(file)
                .ok()
                .map(|metadata| (metadata.mtime(), metadata.mtime_nsec(), metadata.len(), metadata.ino()));
            (file.clone(), stamp)
        };
        config.iter().chain(&self.files).map(stamp).collect()
    }
}

/// A failure on one line.
fn why(failure: Failure) -> String {
    failure.text().lines().map(str::trim).collect::<Vec<_>>().join("; ")
}
