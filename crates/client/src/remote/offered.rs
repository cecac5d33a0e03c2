use super::{config::RemoteConfig, connect::after, endpoint, error::ConnectError, route::Route};
use afield_protocol::client::{configuration, configuration_answer, decode, initialized};
use afield_transport::{Connection, Message, Received};
use std::time::Duration;
use tokio::time::{timeout, timeout_at};

/// How long an executor may take to say what it offers, and the connection to end.
const ANSWER: Duration = Duration::from_secs(10);
const FAREWELL: Duration = Duration::from_secs(1);

/// The MCP servers that an executor offers: layers of TOML with a table `mcp_servers`, of which a later one counts before an earlier.
/// `None` where the executor does not know of such a thing. They are its word: nothing of them is checked.
///
/// Makes one connection, in one attempt, and ends it. Cancel safe: dropping the future closes what was opened.
///
/// # Errors
///
/// Why there is no session, or no answer.
pub async fn offered_servers(config: &RemoteConfig) -> Result<Option<Vec<String>>, ConnectError> {
    let mut route = Route::new();
    let opening = endpoint::open(config, after(config.connect_timeout), &mut route, None);
    let opened = timeout_at(after(config.connect_timeout), opening).await;
    let endpoint::Opened { mut connection, connected, .. } =
        opened.map_err(|_| ConnectError::Timeout(config.connect_timeout))??;
    let offers = match connected.capabilities().environment_config_read {
        true => {
            let directory = connected.environment_info.as_ref().map_or("file:///", |info| &info.cwd);
            match timeout(ANSWER, ask(&mut connection, directory)).await {
                Ok(answered) => answered.map(Some),
                Err(_) => Err(ConnectError::Refused("it did not say what it offers in time".to_owned())),
            }
        }
        false => Ok(None),
    };
    connection.close(1000, "");
    let _ = timeout(FAREWELL, connection.closed()).await;
    offers
}

async fn ask(connection: &mut Box<dyn Connection>, directory: &str) -> Result<Vec<String>, ConnectError> {
    for text in [initialized(), configuration(directory)] {
        connection.send_all(Message::Text(text)).await.map_err(ConnectError::Ended)?;
    }
    loop {
        let Received::Message(message) = connection.receive().await.map_err(ConnectError::Ended)? else {
            continue;
        };
        match configuration_answer(decode(message.bytes())) {
            None => {}
            Some(Ok(told)) => return Ok(told.config.layers.into_iter().map(|layer| layer.toml).collect()),
            Some(Err(error)) => {
                return Err(ConnectError::Refused(format!(
                    "it does not say what it offers: {}",
                    error.into_error().message()
                )));
            }
        }
    }
}
