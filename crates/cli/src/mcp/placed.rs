//! The HTTP client of a server's placement, for one command.

use crate::{
    failure::Failure,
    request::{Client, failure as exchange_failure},
};
use afield_client::{ConnectError, Local, Remote, RemoteConfig};
use afield_config::{Executor, Placement, Variables};
use afield_egress::EgressConfig;

/// A client that performs requests from there. An executor is connected to at once, and tried once.
pub(super) async fn open(placement: &Placement) -> Result<Client, Failure> {
    match placement {
        Placement::Local => {
            let local = Local::new(EgressConfig::default());
            local.map(Client::Local).map_err(|error| Failure::usage(error.to_string()))
        }
        Placement::Executor(executor) => {
            let config = RemoteConfig { wait: false, ..reach(executor)? };
            let connected = Remote::connect(config).await;
            connected.map(Client::Remote).map_err(|error| unreachable(&executor.name, &error))
        }
    }
}

/// How an executor of the configuration is reached.
pub(crate) fn reach(executor: &Executor) -> Result<RemoteConfig, Failure> {
    let config = afield_placement::remote_config(executor, &Variables::of_process());
    config.map_err(|error| Failure::usage(error.message().to_owned()))
}

fn unreachable(name: &str, error: &ConnectError) -> Failure {
    let mut failure = exchange_failure(&error.to_error(), "");
    failure.message = format!("the executor {name}: {}", failure.message).into();
    failure
}
