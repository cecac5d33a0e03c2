use crate::Placements;
use afield_config::{Config, Executor};
use afield_exchange::Error;
use futures_util::future::join_all;
use std::sync::Arc;

/// What an executor says that it offers.
#[derive(Clone, Debug)]
pub struct Offered {
    /// The executor.
    pub executor: Arc<Executor>,
    /// Layers of TOML for [`Config::adopt`]; `None` where the executor does not know of such a thing.
    pub layers: Result<Option<Vec<String>>, Error>,
}

impl Placements {
    /// Asks these executors at once which MCP servers they offer. Each is asked over a connection of its own, which ends with
    /// the answer, within its connect timeout and 10 s more.
    ///
    /// Cancel safe: dropping the future closes what was opened.
    pub async fn offered(&self, executors: impl IntoIterator<Item = Arc<Executor>>) -> Vec<Offered> {
        let asking = executors.into_iter().map(|executor| async move {
            let layers = self.executor(&executor).offered_servers().await;
            Offered { executor, layers }
        });
        join_all(asking).await
    }
}

impl Offered {
    /// Adds the servers to a configuration.
    ///
    /// # Errors
    ///
    /// Why it is not known which there are.
    pub fn adopt_into(&self, config: &mut Config) -> Result<(), &Error> {
        let layers = self.layers.as_ref()?.iter().flatten();
        config.adopt(&self.executor, layers.map(String::as_str));
        Ok(())
    }
}
