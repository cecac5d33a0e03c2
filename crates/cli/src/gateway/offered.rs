use crate::mcp::offered::using_offered;
use afield_config::{Config, Variables};
use afield_placement::Placements;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// What the executors say that they offer whose servers a gateway uses. It is asked for at the start, whenever the configuration is
/// read, and now and then, so that a gateway that starts before its executor comes to know.
pub(super) struct Offered {
    told: BTreeMap<String, Vec<String>>,
    due: Option<Instant>,
}

/// How long what was told counts before it is asked for again; the shorter time is that of an executor that could not be asked.
const AGAIN: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(5);

/// What a gateway waits for its executors at its start. One that takes longer is asked again.
const AT_START: Duration = Duration::from_secs(5);

impl Offered {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self { told: BTreeMap::new(), due: None }
    }

    /// Whether it is time to ask.
    pub fn is_due(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    /// Asks the executors of this configuration. What was told before counts on for one that cannot be asked now. Says whether
    /// anything is different from then on.
    pub async fn ask(&mut self, config: &Config) -> bool {
        let executors = using_offered(config);
        let before = self.told.clone();
        self.told.retain(|name, _| executors.iter().any(|executor| executor.name == *name));
        self.due = (!executors.is_empty()).then(|| Instant::now() + AGAIN);
        // Clients of their own: these are asked with what the configuration says now.
        let placements = Placements::new(Variables::of_process());
        let asked = tokio::time::timeout(AT_START, placements.offered(executors)).await;
        let Ok(asked) = asked else {
            self.due = Some(Instant::now() + SOON);
            tracing::warn!(
                "it is not known which servers the executors offer: they take too long; they are asked again"
            );
            return self.told != before;
        };
        for offered in asked {
            let executor = offered.executor.name.clone();
            match offered.layers {
                Ok(layers) => _ = self.told.insert(executor, layers.unwrap_or_default()),
                Err(error) => {
                    self.due = Some(Instant::now() + SOON);
                    let error = error.message();
                    tracing::warn!(
                        executor,
                        error,
                        "it is not known which servers it offers; it is asked again"
                    );
                }
            }
        }
        self.told != before
    }

    /// Adds the servers to a configuration.
    pub fn adopt_into(&self, config: &mut Config) {
        for executor in using_offered(config) {
            if let Some(layers) = self.told.get(&executor.name) {
                config.adopt(&executor, layers.iter().map(String::as_str));
            }
        }
    }
}
