//! An executor in this process, and configurations as texts.

use afield_config::{Config, Variables};
use afield_executor::{Config as ExecutorConfig, Executor, Listen};
use std::path::Path;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// An executor in this process. Dropping it ends it at once.
pub struct Running {
    pub url: String,
    _task: JoinSet<()>,
}

impl Running {
    pub async fn with(configure: impl FnOnce(&mut ExecutorConfig)) -> Self {
        let listen = Listen::Ws(([127, 0, 0, 1], 0).into());
        let mut config = ExecutorConfig { listen, ..ExecutorConfig::default() };
        configure(&mut config);
        let executor = Executor::bind(config).await.unwrap();
        let url = executor.url().unwrap();
        let mut task = JoinSet::new();
        task.spawn(executor.run(CancellationToken::new()));
        Self { url, _task: task }
    }
}

pub fn config(text: &str) -> Config {
    let nobody = Variables::of([("HOME", "/nowhere")]);
    Config::of_text(Path::new("/nowhere/config.toml"), text, &nobody).unwrap()
}
