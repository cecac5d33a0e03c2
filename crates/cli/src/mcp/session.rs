//! The servers of the configuration, ready to be used by one command.

use super::offered::OfferFlags;
use crate::{
    ExitCode,
    config_flags::{ConfigFlags, warn},
    failure::Failure,
};
use afield_config::{Config, McpServer, Variables};
use afield_exchange::Blame;
use afield_mcp::{
    Stage,
    manager::{Entry, Manager, ServerConfig},
};
use afield_placement::Placements;

/// A configuration and the places in it.
pub(super) struct Session {
    pub config: Config,
    pub placements: Placements,
}

impl Session {
    /// Reads the configuration, and asks executors what they offer as far as these names need it; all, where none is named.
    pub async fn open(flags: &ConfigFlags, offers: &OfferFlags, names: &[String]) -> Result<Self, Failure> {
        let placements = Placements::new(Variables::of_process());
        let config = offers.load(flags, &placements, names).await?;
        warn(&config.warnings);
        Ok(Self { config, placements })
    }

    /// A manager of all servers, or of those named.
    pub fn manager(&self, names: &[String]) -> Result<Manager, Failure> {
        let mut entries = self.placements.entries(&self.config);
        if !names.is_empty() {
            for name in names {
                self.known(name)?;
            }
            entries.retain(|entry| names.iter().any(|name| name == entry.name()));
        }
        Ok(Manager::start(entries.into_iter().map(unchecked)))
    }

    /// A server that is to be used now, whether or not it is enabled.
    pub fn server(&self, name: &str) -> Result<(&McpServer, ServerConfig), Failure> {
        let server = self.config.mcp_server(name).map_err(|error| no_such(&error))?;
        let config = self.placements.server(server).map_err(|failure| of_stage(name, &failure))?;
        Ok((server, config))
    }

    /// A manager of one server, whether or not it is enabled.
    pub fn manager_of(&self, name: &str) -> Result<Manager, Failure> {
        let (_, config) = self.server(name)?;
        Ok(Manager::start([unchecked(Entry::Server(config))]))
    }

    fn known(&self, name: &str) -> Result<(), Failure> {
        match self.config.unusable.iter().any(|server| server.name == name) {
            true => Ok(()),
            false => self.config.mcp_server(name).map(drop).map_err(|error| no_such(&error)),
        }
    }
}

/// A command is over before anybody has to be asked whether he is still there.
fn unchecked(entry: Entry) -> Entry {
    match entry {
        Entry::Server(config) => Entry::Server(ServerConfig { check_every: None, ..config }),
        other => other,
    }
}

fn no_such(error: &afield_config::NoSuch) -> Failure {
    let code = if error.problems.is_some() { ExitCode::Config } else { ExitCode::Usage };
    Failure::new(code, error.to_string()).with_hint("afield mcp list shows which servers there are")
}

/// What a failure of this server means for the command's caller.
pub(super) fn of_stage(name: &str, failure: &afield_mcp::Failure) -> Failure {
    let code = match failure.stage {
        Stage::Config => ExitCode::Config,
        Stage::Executor => ExitCode::ExecutorUnreachable,
        Stage::Policy => ExitCode::PolicyDenied,
        Stage::Dns => ExitCode::Dns,
        Stage::Connect => ExitCode::Connect,
        Stage::Tls => ExitCode::TlsHandshake,
        Stage::Auth => ExitCode::LoginFailed,
        Stage::Http | Stage::Mcp => ExitCode::McpFailed,
    };
    let told = Failure::new(code, format!("{name}: {}: {}", failure.stage, failure.message));
    match failure.hint.is_empty() {
        true => told,
        false => told.with_hint(hint(name, failure)),
    }
}

/// Who has to act where a failure of this stage is not the server's own word.
pub(super) fn blame(stage: Stage) -> Blame {
    match stage {
        Stage::Config | Stage::Auth => Blame::Caller,
        Stage::Executor => Blame::Executor,
        Stage::Policy => Blame::Operator,
        Stage::Dns | Stage::Connect | Stage::Tls => Blame::Network,
        Stage::Http | Stage::Mcp => Blame::Origin,
    }
}

/// What to do, about this server.
pub(super) fn hint(name: &str, failure: &afield_mcp::Failure) -> String {
    failure.clone().of_server(name).hint
}
