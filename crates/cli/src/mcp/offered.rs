//! Servers that executors offer, beside those of the configuration.

use crate::{
    config_flags::ConfigFlags, console::note, failure::Failure, request::failure as exchange_failure,
};
use afield_config::{Config, Executor};
use afield_placement::Placements;
use clap::Args;
use std::sync::Arc;

/// Whose servers are meant, as typed.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct OfferFlags {
    /// The servers of this executor alone: those of the configuration that are placed there, and those that it offers.
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
}

impl OfferFlags {
    /// The configuration with the servers that executors offer, as far as they are needed to know these names; all, where none is
    /// named. An executor of the configuration is asked if it is named here, or says `use_offered`.
    pub async fn load(
        &self,
        flags: &ConfigFlags,
        placements: &Placements,
        names: &[String],
    ) -> Result<Config, Failure> {
        let mut config = flags.load()?;
        match self.executor.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => of_executor(&mut config, placements, name).await?,
            None if names.is_empty() || names.iter().any(|name| !is_known(&config, name)) => {
                of_all(&mut config, placements).await;
            }
            None => {}
        }
        Ok(config)
    }

    /// The executor that is named.
    pub fn executor(&self) -> Option<&str> {
        self.executor.as_deref().filter(|name| !name.is_empty())
    }
}

fn is_known(config: &Config, name: &str) -> bool {
    config.mcp_servers.contains_key(name) || config.unusable.iter().any(|server| server.name == name)
}

/// The servers of one executor, and no others.
async fn of_executor(config: &mut Config, placements: &Placements, name: &str) -> Result<(), Failure> {
    let Some(executor) = config.executors.get(name).cloned() else {
        let hint = match name.contains(':') {
            true => format!("--executor takes a name here; `afield executor add NAME {name}` gives it one"),
            false => "`afield executor list` shows which there are".to_owned(),
        };
        let missing = config.placement(name).err().map(|missing| missing.to_string());
        let what = missing.unwrap_or_else(|| format!("{name} is no executor"));
        return Err(Failure::usage(what).with_hint(hint));
    };
    let asked = placements.offered([executor]).await;
    for offered in &asked {
        offered.adopt_into(config).map_err(|error| exchange_failure(error, ""))?;
    }
    config.mcp_servers.retain(|_, server| server.environment == name);
    Ok(())
}

/// Beside the servers of the configuration those that its executors offer. One that cannot be asked keeps none of the others from
/// being used.
async fn of_all(config: &mut Config, placements: &Placements) {
    let asked = placements.offered(using_offered(config)).await;
    for offered in &asked {
        if let Err(error) = offered.adopt_into(config) {
            let name = &offered.executor.name;
            note!("warning: it is not known which servers {name} offers: {}", error.message());
        }
    }
}

/// The executors whose servers are used as if they stood in the configuration.
pub(crate) fn using_offered(config: &Config) -> Vec<Arc<Executor>> {
    config.executors.values().filter(|executor| executor.use_offered).cloned().collect()
}
