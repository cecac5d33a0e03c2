use super::config::{ConnectError, Endpoint, RemoteConfig};
use afield_egress::{CaPolicy, tls_client_config};
use afield_protocol::{
    client::{Connected, decode, initialize, initialize_answer},
    resumable::DIALECT,
    wire::{Features, InitializeParams},
};
use afield_transport::{Connection, DialConfig, Message, Received, Stdio, dial};
use std::{
    pin::Pin,
    process::Stdio as Pipe,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    process::{Child, ChildStdout, Command},
    time::{Instant, timeout_at},
};

/// A connection on which a session has begun.
pub(crate) struct Opened {
    pub connection: Box<dyn Connection>,
    pub connected: Box<Connected>,
}

/// The session that a connection is to go on with.
pub(crate) struct Resumption<'a> {
    pub session: &'a str,
    pub attempt: u64,
}

/// Dials and begins a session, or goes on with one, in one attempt. Cancel safe: dropping the future closes what was
/// opened.
pub(crate) async fn open(
    config: &RemoteConfig,
    deadline: Instant,
    resumption: Option<Resumption<'_>>,
) -> Result<Opened, ConnectError> {
    let mut connection: Box<dyn Connection> = match &config.endpoint {
        Endpoint::Url(url) => Box::new(dial(&dialling(config, url, deadline)?).await?),
        Endpoint::Command { program, arguments, variables } => {
            Box::new(start(program, arguments, variables, config.limits.message_bytes)?)
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
    let answer = timeout_at(deadline, handshake(&mut connection, &params)).await;
    let connected = answer.map_err(|_| ConnectError::Timeout(config.connect_timeout))??;
    Ok(Opened { connection, connected })
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
) -> Result<Box<Connected>, ConnectError> {
    let ended = |closed: afield_transport::Closed| ConnectError::Ended(closed.to_string());
    connection.send_all(Message::Text(initialize(params))).await.map_err(ended)?;
    loop {
        let Received::Message(message) = connection.receive().await.map_err(ended)? else { continue };
        match initialize_answer(decode(message.bytes())) {
            None => {}
            Some(Ok(connected)) => return Ok(connected),
            Some(Err(error)) => return Err(ConnectError::of_refusal(error.into_error())),
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

/// Starts a program that speaks the protocol on its standard input and output. What it writes to standard error goes where
/// ours goes. It ends with the connection.
fn start(
    program: &str,
    arguments: &[String],
    variables: &[(String, String)],
    message_bytes: usize,
) -> Result<Stdio<ProgramOutput, tokio::process::ChildStdin>, ConnectError> {
    let failed = |error| ConnectError::Command { program: program.to_owned(), error };
    let mut child = Command::new(program)
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Pipe::piped())
        .stdout(Pipe::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let missing = || failed(std::io::Error::other("it has no standard input or output"));
    let output = child.stdout.take().ok_or_else(missing)?;
    let input = child.stdin.take().ok_or_else(missing)?;
    Ok(Stdio::new(ProgramOutput { output, _child: child }, input, message_bytes))
}

/// The output of a program that ends when nobody reads it any more.
struct ProgramOutput {
    output: ChildStdout,
    _child: Child,
}

impl AsyncRead for ProgramOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buffer)
    }
}
