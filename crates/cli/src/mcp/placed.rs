//! The HTTP client of a server's placement, for one command.

use crate::{
    failure::Failure,
    request::{Client, failure as exchange_failure},
};
use afield_client::{ConnectError, Dialect, Local, Remote, RemoteConfig};
use afield_config::{Dialect as Spoken, Executor, Placement, Reach, Variables};
use afield_egress::{CaPolicy, EgressConfig};
use afield_transport::{BearerToken, ClientIdentity, Proxy};

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
    let refused = |why: String| Failure::usage(format!("the executor {}: {why}", executor.name));
    let mut config = match &executor.reach {
        Reach::Url(url) => RemoteConfig::new(url.as_str()),
        Reach::Unix(path) => RemoteConfig::new(format!("unix:{}", path.display())),
        Reach::Command(start) if start.env.is_empty() => {
            RemoteConfig::command(&*start.program, start.args.clone())
        }
        Reach::Command(_) => {
            return Err(refused("variables for its command (env) cannot be set".into())
                .with_hint("set them in a script, and have command start that"));
        }
    };
    if let Some(token) = &executor.token {
        let token = token.read(&Variables::of_process()).map_err(refused)?;
        config.token = Some(BearerToken::new(token.expose()));
    }
    config.ca = executor.ca.clone().map_or_else(CaPolicy::default, CaPolicy::File);
    for pin in &executor.pinned_certificates {
        config.pins.push(pin.parse().map_err(|why| refused(format!("a pinned certificate: {why}")))?);
    }
    let identity = executor.identity.clone();
    config.identity =
        identity.map(|identity| ClientIdentity { certificate: identity.certificate, key: identity.key });
    let proxy = executor.proxy.as_ref().map(|url| Proxy::parse(url.as_str()));
    config.proxy = proxy.transpose().map_err(|why| refused(format!("the proxy: {why}")))?;
    config.allow_plaintext_token = executor.allow_plaintext_token;
    config.connect_timeout = executor.connect_timeout;
    if executor.dialect == Spoken::Base {
        config.dialect = Dialect::Base;
    }
    Ok(config)
}

fn unreachable(name: &str, error: &ConnectError) -> Failure {
    let mut failure = exchange_failure(&error.to_error(), "");
    failure.message = format!("the executor {name}: {}", failure.message).into();
    failure
}
