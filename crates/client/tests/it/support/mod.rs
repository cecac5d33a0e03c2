//! An executor in this process, an executor played by the test, and short ways to ask them.

mod executor;
mod scripted;

pub use executor::Running;
pub use scripted::{
    Played, delta, done, end, head_only, next_call, played, played_resumable, result, resumable, resumption,
    session,
};

use afield_client::{Dialect, Remote, RemoteConfig};
use afield_exchange::{Error, Kind, Phase, Request, Retry};
use std::time::Duration;

/// A configuration for tests: one that waits is told so.
pub fn config(url: impl Into<String>) -> RemoteConfig {
    let mut config = RemoteConfig::new(url);
    config.wait = false;
    config.connect_timeout = Duration::from_secs(30);
    config
}

/// A client of this URL, connected.
pub async fn connect(url: impl Into<String>) -> Remote {
    Remote::connect(config(url)).await.expect("the executor takes the session")
}

/// A configuration for tests of the base dialect with an executor that could do better.
pub fn base(url: impl Into<String>) -> RemoteConfig {
    RemoteConfig { dialect: Dialect::Base, ..config(url) }
}

/// A client of this URL, connected, in the base dialect.
pub async fn connect_base(url: impl Into<String>) -> Remote {
    Remote::connect(base(url)).await.expect("the executor takes the session")
}

/// A request that a scripted executor answers as it likes.
pub fn any() -> Request {
    Request::get("http://origin.test/")
}

/// What matters of a lost session.
pub fn lost(error: &Error) -> (Kind, Retry, Option<Phase>) {
    (error.kind(), error.retry(), error.phase())
}
