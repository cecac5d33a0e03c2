use afield_egress::EgressConfig;
use afield_executor::{Config, Executor, Listen};
use std::net::SocketAddr;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An executor in this process. Dropping it ends it, as a killed process ends.
pub struct Running {
    pub address: SocketAddr,
    running: JoinHandle<()>,
    stop: CancellationToken,
}

impl Running {
    pub async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with_egress(egress: EgressConfig) -> Self {
        Self::with(Config { egress, ..Config::default() }).await
    }

    pub async fn with(config: Config) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), config).await
    }

    pub async fn at(address: SocketAddr, config: Config) -> Self {
        let executor = Executor::bind(Config { listen: Listen::Ws(address), ..config }).await.unwrap();
        let address = executor.local_addr().unwrap();
        let stop = CancellationToken::new();
        Self { address, running: tokio::spawn(executor.run(stop.clone())), stop }
    }

    /// Has it drain, as SIGTERM does.
    pub fn drain(&self) {
        self.stop.cancel();
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Ends it, and waits until nothing of it is left.
    pub async fn kill(mut self) -> SocketAddr {
        self.running.abort();
        let _ = (&mut self.running).await;
        self.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.running.abort();
    }
}
