//! An MCP client that does what the conformance suite's client scenarios want, by a route of choice.
//!
//! `conformance-client ROUTE URL`, where ROUTE is
//!
//! - `reqwest`: rmcp's own HTTP client (which minds `HTTP_PROXY`),
//! - `local`: the transport, from this process,
//! - `ws://…`: the transport, from the executor there,
//! - `login`: the transport, from this process, with afield's own logins.
//!
//! The suite says in `MCP_CONFORMANCE_SCENARIO`, `MCP_CONFORMANCE_PROTOCOL_VERSION` and `MCP_CONFORMANCE_CONTEXT` what is
//! wanted.

#![expect(deprecated, reason = "what the older revision has and the newer has not is deprecated")]

mod handler;
mod login;
mod own_login;
mod route;
mod scenarios;
mod wanted;

use afield_client::{HttpClient, Local, Remote, RemoteConfig};
use afield_egress::EgressConfig;
use route::{Own, Theirs};
use std::{error::Error, sync::Arc, time::Duration};
use wanted::Wanted;

/// Whatever went wrong; the suite sees the exit code.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Shorter than the suite's own patience, after which it would not tell which scenario hung.
const PATIENCE: Duration = Duration::from_secs(25);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(route), Some(url)) = (arguments.next(), arguments.next()) else {
        return Err("usage: conformance-client reqwest|local|login|ws://EXECUTOR URL".into());
    };
    let wanted = Wanted::read(url)?;
    tokio::time::timeout(PATIENCE, run(&route, &wanted))
        .await
        .map_err(|_| format!("{} did not end within {PATIENCE:?}", wanted.scenario))?
}

async fn run(route: &str, wanted: &Wanted) -> Result<(), Failure> {
    let local = Local::new(EgressConfig::default())?;
    let browser: Arc<dyn HttpClient> = Arc::new(local.clone());
    match route {
        "reqwest" => scenarios::run(&Theirs::new(browser)?, wanted).await,
        "login" if wanted.scenario.starts_with("auth/") => {
            own_login::run(Arc::new(local), browser, wanted).await
        }
        "local" | "login" => scenarios::run(&Own::new(Arc::new(local), browser), wanted).await,
        executor => {
            let remote = Remote::connect(RemoteConfig::new(executor)).await?;
            scenarios::run(&Own::new(Arc::new(remote), browser), wanted).await
        }
    }
}
