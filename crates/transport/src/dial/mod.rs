//! The client's side of the upgrade.

mod address;
mod config;
mod connect;
mod error;
mod proxy;
mod tls;
mod upgrade;

pub use config::{BearerToken, DialConfig};
pub use error::DialError;
pub use proxy::Proxy;
pub use tls::{ClientIdentity, Pin};

use crate::{NetStream, Role, WebSocket};
use address::Address;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Opens a WebSocket: resolves the host, connects (to each address in turn), does TLS for `wss:`, and upgrades, all
/// within `config.connect_timeout`. Environment proxies are not used, redirects not followed. There is no way to leave the
/// certificate unchecked.
///
/// Cancel safe: dropping the future closes what was opened.
///
/// # Errors
///
/// A [`DialError`] that tells the phase; each says what to do.
pub async fn dial(config: &DialConfig) -> Result<WebSocket<NetStream>, DialError> {
    dial_with_cookies(config).await.map(|(connection, _)| connection)
}

/// [`dial()`], which also returns the cookies that came with the upgrade, each as `name=value`. A load balancer sets one to be
/// shown the same server again: see [`DialConfig::headers`].
///
/// # Errors
///
/// As there.
pub async fn dial_with_cookies(
    config: &DialConfig,
) -> Result<(WebSocket<NetStream>, Vec<String>), DialError> {
    let address = Address::parse(config)?;
    let request = upgrade::request(&address, config)?;
    let deadline = deadline(config.connect_timeout);
    let dialled = async {
        let stream = connect::connect(&address, config, deadline).await?;
        upgrade::upgrade(stream, request).await
    };
    let (stream, read_ahead, cookies) = timeout_at(deadline, dialled)
        .await
        .map_err(|_| DialError::Timeout { host: address.host_and_port(), after: config.connect_timeout })??;
    Ok((WebSocket::new(stream, read_ahead, Role::Client, config.message_bytes), cookies))
}

/// An open stream on which nothing has been said.
#[derive(Debug)]
pub struct Dialled {
    /// The stream: TCP, TLS over it, or a Unix socket.
    pub stream: NetStream,
    /// What a request on it says in `Host`.
    pub authority: String,
}

/// Opens the stream that [`dial`] would upgrade, for what says its own requests there, such as a check of the upgrade itself.
///
/// Cancel safe, and fails, as [`dial`] does.
///
/// # Errors
///
/// A [`DialError`] that tells the phase.
pub async fn connect(config: &DialConfig) -> Result<Dialled, DialError> {
    let address = Address::parse(config)?;
    let deadline = deadline(config.connect_timeout);
    let stream = timeout_at(deadline, connect::connect(&address, config, deadline))
        .await
        .map_err(|_| DialError::Timeout { host: address.host_and_port(), after: config.connect_timeout })??;
    Ok(Dialled { stream, authority: address.authority() })
}

/// A deadline too far away to be represented is as good as a day.
fn deadline(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now + Duration::from_secs(86_400))
}
