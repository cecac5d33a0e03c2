use afield_executor::{Config, Executor, Listen};
use std::net::SocketAddr;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// afield's executor, in this process, with the defaults. Dropping it ends it.
pub struct Own {
    pub address: SocketAddr,
    running: JoinHandle<()>,
}

impl Own {
    pub async fn start() -> Self {
        let listen = Listen::Ws(SocketAddr::from(([127, 0, 0, 1], 0)));
        let executor = Executor::bind(Config { listen, ..Config::default() }).await.unwrap();
        let address = executor.local_addr().unwrap();
        Self { address, running: tokio::spawn(executor.run(CancellationToken::new())) }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.running.abort();
    }
}
