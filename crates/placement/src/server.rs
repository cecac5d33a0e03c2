use crate::{Placements, Unplaced, authorizer};
use afield_config::{Config, McpServer};
use afield_mcp::{
    Failure, HttpTransport,
    login::TokenStore,
    manager::{Entry, ServerConfig},
};

impl Placements {
    /// Every server of a configuration, for a [`Manager`](afield_mcp::manager::Manager). One that cannot be used is
    /// [`Entry::Unusable`] and keeps none of the others from being used. Reads files; may block.
    pub fn entries(&self, config: &Config) -> Vec<Entry> {
        let mut entries: Vec<Entry> = config.mcp_servers.values().map(|server| self.entry(server)).collect();
        entries.extend(config.unusable.iter().map(|server| Entry::Unusable {
            name: server.name.clone(),
            environment: String::new(),
            required: false,
            failure: Failure::config(server.problems.to_string(), "mend the file that it is configured in"),
        }));
        entries
    }

    /// A server, as a manager wants it.
    pub fn entry(&self, server: &McpServer) -> Entry {
        let (name, environment) = (server.name.clone(), server.environment.clone());
        if !server.enabled {
            return Entry::Disabled { name, environment };
        }
        match self.server(server) {
            Ok(config) => Entry::Server(config),
            Err(failure) => Entry::Unusable { name, environment, required: server.required, failure },
        }
    }

    /// A server that is to be used, whether or not it is enabled: its client, its fields with this process's variables
    /// filled in, its tokens. Fields of the executor are named, never filled in here. Reads files; may block.
    ///
    /// # Errors
    ///
    /// Its environment is not known, or a variable is not set.
    pub fn server(&self, server: &McpServer) -> Result<ServerConfig, Failure> {
        let client = self.of_server(server).map_err(|error| match &error {
            Unplaced::Unknown(problem) => Failure::config(problem.what.clone(), problem.fix.clone()),
            Unplaced::NoSuch(_) | Unplaced::Local(_) => Failure::config(error.to_string(), ""),
        })?;
        let headers = server
            .resolve_headers(self.variables())
            .map_err(|error| Failure::config(error.to_string(), "set it where this command runs"))?;
        let mut transport = HttpTransport::new(client.clone())
            .with_headers(headers)
            .map_err(|error| Failure::config(error.to_string(), ""))?;
        if let Some(idle) = server.idle_timeout {
            transport = transport.with_idle_timeout(idle);
        }
        let mut authorizer = None;
        if !server.sets_authorization() {
            match TokenStore::of_the_user() {
                Ok(store) => {
                    let made = authorizer::of_server(server, client, store, self.variables());
                    let made = made.map_err(|error| Failure::config(error.to_string(), ""))?;
                    transport = transport.with_authorizer(made.clone());
                    authorizer = Some(made);
                }
                // Nobody can have logged in.
                Err(error) => tracing::debug!(%error, "there is no place for tokens"),
            }
        }
        let mut config = ServerConfig::new(&server.name, server.url.as_str(), transport);
        config.environment.clone_from(&server.environment);
        config.authorizer = authorizer;
        config.startup_timeout = server.startup_timeout;
        config.tool_timeout = server.tool_timeout;
        config.required = server.required;
        Ok(config)
    }
}
