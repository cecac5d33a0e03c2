use crate::mcp_server::McpServer;
use afield_egress::{Secret, SecretSource, Secrets};
use afield_executor::{Config, Executor, Listen, OfferedServer, Offers};
use std::net::SocketAddr;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A variable that every test has, whose value stands for a secret: a test's own process cannot set one.
pub const VARIABLE: &str = "CARGO_PKG_DESCRIPTION";

/// afield's executor, in this process, with the defaults. Dropping it ends it.
pub struct Own {
    pub address: SocketAddr,
    running: JoinHandle<()>,
}

impl Own {
    pub async fn start() -> Self {
        Self::with(Config::default()).await
    }

    /// One that offers this server under the name `demo`, with a bearer token that it keeps.
    pub async fn offering(mcp: &McpServer) -> Self {
        let mut config = Config::default();
        let place = mcp.address().to_string();
        let source = SecretSource::Environment(VARIABLE.into());
        let secret = Secret::new("demo", source, [&*place]).unwrap().allow_plain_http();
        config.egress.secrets = Secrets::new([secret], []).unwrap();
        config.offers = Offers::new([OfferedServer {
            name: "demo".into(),
            url: mcp.url(),
            toml: format!(
                "[mcp_servers.demo]\nurl = \"{}\"\nbearer_token_env_var = \"{VARIABLE}\"\n",
                mcp.url()
            ),
            bearer_variable: Some(VARIABLE.into()),
            attached: Vec::new(),
        }]);
        Self::with(config).await
    }

    async fn with(config: Config) -> Self {
        let listen = Listen::Ws(SocketAddr::from(([127, 0, 0, 1], 0)));
        let executor = Executor::bind(Config { listen, ..config }).await.unwrap();
        let address = executor.local_addr().unwrap();
        Self { address, running: tokio::spawn(executor.run(CancellationToken::new())) }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.running.abort();
    }
}
