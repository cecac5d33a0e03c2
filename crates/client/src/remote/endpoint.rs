use super::{
    config::{Endpoint, RemoteConfig},
    connect::after,
    error::ConnectError,
    program::Program,
    route::Route,
};
use afield_egress::{CaPolicy, tls_client_config};
use afield_protocol::{
    client::{Connected, decode, initialize, initialize_answer},
    resumable::DIALECT,
    wire::{Features, InitializeParams},
};
use afield_transport::{
    CloseReason, Connection, DialConfig, DialError, Message, NetStream, Received, Role, Validity, WebSocket,
    dial_with_cookies,
};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A connection on which a session has begun.
pub(crate) struct Opened {
    pub connection: Box<dyn Connection>,
    pub connected: Box<Connected>,
    /// How long `initialize` took.
    pub round_trip: Duration,
}

/// The session that a connection is to go on with.
pub(crate) struct Resumption<'a> {
    pub session: &'a str,
    pub attempt: u64,
    /// The executor that has it, if it has said which it is.
    pub held_by: Option<&'a str>,
}

/// Dials and begins a session, or goes on with one, in one attempt. Cancel safe: dropping the future closes what was
/// opened.
pub(crate) async fn open(
    config: &RemoteConfig,
    deadline: Instant,
    route: &mut Route,
    resumption: Option<Resumption<'_>>,
) -> Result<Opened, ConnectError> {
    let mut program = None;
    let mut connection: Box<dyn Connection> = match &config.endpoint {
        Endpoint::Url(url) => {
            let mut dialling = dialling(config, url, deadline)?;
            dialling.headers = route.headers(resumption.is_some());
            let (connection, cookies) = dial_with_cookies(&dialling).await?;
            route.note(cookies);
            Box::new(connection)
        }
        Endpoint::Command { program: name, arguments, variables } => {
            let (started, connection) =
                Program::start(name, arguments, variables, config.limits.message_bytes)?;
            program = Some(started);
            Box::new(connection)
        }
    };
    let offers = config.dialect.offers_resumable() && connection.has_binary();
    let params = InitializeParams {
        client_name: config.client_name.clone(),
        resume_session_id: resumption.as_ref().map(|resumption| resumption.session.to_owned()),
        attempt: resumption.as_ref().map(|resumption| resumption.attempt),
        dialects: offers.then(|| vec![DIALECT.to_owned()]),
        window_bytes: offers.then_some(config.limits.window_bytes as u64),
        features: if offers { Features::ALL } else { Features::default() },
    };
    let held_by = resumption.and_then(|resumption| resumption.held_by);
    let began = Instant::now();
    let answer = timeout_at(deadline, handshake(&mut connection, &params, held_by)).await;
    match answer.unwrap_or(Err(ConnectError::Timeout(config.connect_timeout))) {
        Ok(connected) => {
            if offers && connected.dialect.as_deref() == Some(DIALECT) {
                connection.begin_frames(Role::Client);
            }
            Ok(Opened { connection, connected, round_trip: began.elapsed() })
        }
        Err(error) => match program {
            Some(program) => Err(program.explain(error).await),
            None => Err(error),
        },
    }
}

/// Opens a WebSocket to an executor and says nothing on it: for whoever carries the session of somebody else. One attempt, within
/// the connect timeout.
///
/// Cancel safe: dropping the future closes what was opened.
///
/// # Errors
///
/// Why there is none. An executor behind a command is refused.
pub async fn dial_executor(config: &RemoteConfig) -> Result<WebSocket<NetStream>, ConnectError> {
    let Endpoint::Url(url) = &config.endpoint else {
        return Err(
            DialError::InvalidUrl("an executor behind a command is carried by that".to_owned()).into()
        );
    };
    let mut dialling = dialling(config, url, after(config.connect_timeout))?;
    dialling.headers = Route::new().headers(false);
    Ok(dial_with_cookies(&dialling).await?.0)
}

/// How long the certificate is good that an executor shows: one connection, on which nothing is said. `None` where it shows
/// none.
///
/// Cancel safe: dropping the future closes what was opened.
///
/// # Errors
///
/// Why there is no connection.
pub async fn executor_certificate(config: &RemoteConfig) -> Result<Option<Validity>, ConnectError> {
    match &config.endpoint {
        Endpoint::Url(url) if is_tls(url) => {
            let dialling = dialling(config, url, after(config.connect_timeout))?;
            Ok(afield_transport::connect(&dialling).await?.stream.validity())
        }
        _ => Ok(None),
    }
}

fn dialling(config: &RemoteConfig, url: &str, deadline: Instant) -> Result<DialConfig, ConnectError> {
    let mut dialling = DialConfig::new(url);
    dialling.token = config.token.clone();
    dialling.connect_timeout = round_up(deadline.saturating_duration_since(Instant::now()));
    dialling.message_bytes = config.limits.message_bytes;
    dialling.allow_plaintext_token = config.allow_plaintext_token;
    dialling.pins = config.pins.clone();
    dialling.identity = config.identity.clone();
    dialling.proxy = config.proxy.clone();
    // A pinned certificate needs no authority, unless one was named.
    if is_tls(url) && (config.pins.is_empty() || !matches!(config.ca, CaPolicy::Environment)) {
        dialling.tls = Some(tls_client_config(&config.ca)?);
    }
    Ok(dialling)
}

async fn handshake(
    connection: &mut Box<dyn Connection>,
    params: &InitializeParams,
    held_by: Option<&str>,
) -> Result<Box<Connected>, ConnectError> {
    // Where writing fails, what the other end said last tells more than that.
    let written = connection.send_all(Message::Text(initialize(params))).await;
    loop {
        let received = match (connection.receive().await, &written) {
            (Ok(received), _) => received,
            (Err(closed), Ok(())) => return Err(ConnectError::Ended(closed)),
            (Err(closed), Err(_)) if matches!(closed.reason, CloseReason::Peer { .. }) => {
                return Err(ConnectError::Ended(closed));
            }
            (Err(_), Err(closed)) => return Err(ConnectError::Ended(closed.clone())),
        };
        let Received::Message(message) = received else { continue };
        match initialize_answer(decode(message.bytes())) {
            None => {}
            Some(Ok(connected)) => return Ok(connected),
            Some(Err(error)) => return Err(ConnectError::of_refusal(error, held_by)),
        }
    }
}

fn is_tls(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("wss") || scheme.eq_ignore_ascii_case("https")
}

/// Whole milliseconds, for messages that a person reads.
fn round_up(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}
