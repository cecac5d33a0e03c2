//! `afield stdio`: carries an orchestrator that speaks on standard input and output to an executor. `ssh HOST afield stdio` is the
//! usual way to run it: the executor outlives the ssh, and a session goes on over the next one.

mod owed;

use crate::{
    ExitCode, console::report, failure::Failure, place::ReachFlags, request::failure as exchange_failure,
    signals::Signals, token::Token,
};
use afield_client::{ConnectError, RemoteConfig, dial_executor};
use afield_egress::CaPolicy;
use afield_exchange::{Error, Kind, Limits};
use afield_protocol::RpcError;
use afield_transport::{
    BearerToken, Closed, Connection, Message, NetStream, Received, Stdio, StdioParts, WebSocket, stdio,
};
use bytes::Bytes;
use clap::Args;
use owed::Owed;
use serde_json::json;
use std::{path::PathBuf, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split},
    time::{Instant, sleep_until, timeout},
};

/// Which executor is meant, as typed.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The executor's URL: `unix:PATH`, `ws://…` or `wss://…`. Default: `unix:$XDG_RUNTIME_DIR/afield.sock` if there is such a
    /// socket, else `ws://127.0.0.1:7411`.
    #[arg(value_name = "URL", env = "AFIELD_EXECUTOR", hide_env_values = true)]
    executor: Option<String>,

    /// A file that holds the executor's token. The variable `AFIELD_TOKEN` may hold the token itself.
    #[arg(long, env = "AFIELD_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Certificate authorities to trust instead of the platform's (PEM).
    #[arg(long, visible_alias = "cacert", value_name = "FILE")]
    ca: Option<PathBuf>,

    #[command(flatten)]
    reach: ReachFlags,
}

/// How long answers that are owed when the input ends may take.
const GRACE: Duration = Duration::from_secs(10);
/// How long the executor may take to take leave.
const FAREWELL: Duration = Duration::from_secs(2);

pub(crate) async fn run(flags: Flags, signals: Signals) -> ExitCode {
    tokio::select! {
        code = signals.first() => code,
        done = carry(flags) => match done {
            Ok(()) => ExitCode::Success,
            Err(failure) => report(&failure),
        },
    }
}

async fn carry(flags: Flags) -> Result<(), Failure> {
    let config = config(&flags)?;
    let ours = stdio(Limits::default().message_bytes);
    match dial_executor(&config).await {
        Ok(executor) => lines(ours, executor).await,
        Err(error) => {
            let refused = error.to_error();
            if refused.kind() == Kind::Unauthorized {
                refuse(ours, &refused).await;
            }
            Err(unreachable(&config, &error))
        }
    }
}

fn config(flags: &Flags) -> Result<RemoteConfig, Failure> {
    let url = flags.executor.clone().filter(|url| !url.trim().is_empty()).unwrap_or_else(usual);
    let reach = flags.reach.reach()?;
    let mut config = RemoteConfig::new(url);
    config.token = Token::find(flags.token_file.as_deref())?.map(|token| BearerToken::new(token.expose()));
    config.ca = flags.ca.clone().map_or_else(CaPolicy::default, CaPolicy::File);
    (config.pins, config.identity, config.proxy) = (reach.pins, reach.identity, reach.proxy);
    Ok(config)
}

/// Where an executor of this user listens, as a rule.
fn usual() -> String {
    let socket =
        std::env::var_os("XDG_RUNTIME_DIR").map(|directory| PathBuf::from(directory).join("afield.sock"));
    match socket.filter(|socket| socket.exists()) {
        Some(socket) => format!("unix:{}", socket.display()),
        None => "ws://127.0.0.1:7411".to_owned(),
    }
}

fn unreachable(config: &RemoteConfig, error: &ConnectError) -> Failure {
    let mut failure = exchange_failure(&error.to_error(), "");
    failure.message = format!("{:?}: {}", config.endpoint, failure.message).into();
    failure.verdict = None;
    failure.hint = Some(
        "`afield serve --listen unix:PATH` is that executor; `afield stdio unix:PATH` reaches it".into(),
    );
    failure
}

/// Tells the orchestrator that the executor does not accept the credential: trying again is of no use. Whatever else keeps it
/// from being reached is told by the end, and may pass.
async fn refuse<R, W>(mut ours: Stdio<R, W>, error: &Error)
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let telling = async {
        let Received::Message(asked) = ours.receive().await? else { return Ok(()) };
        let id = serde_json::from_slice(asked.bytes())
            .ok()
            .and_then(|mut asked: serde_json::Value| asked.get_mut("id").map(serde_json::Value::take));
        let answer = json!({ "id": id.unwrap_or(json!(-1)), "error": RpcError::from_error(error) });
        ours.send_all(Message::Text(answer.to_string().into())).await
    };
    let _: Result<Result<(), Closed>, _> = timeout(FAREWELL, telling).await;
}

/// Carries messages, in base for as long as it takes, and until afield/1 is agreed upon: then bytes.
async fn lines<R, W>(mut ours: Stdio<R, W>, mut executor: WebSocket<NetStream>) -> Result<(), Failure>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let mut owed = Owed::default();
    let mut answer_by = None;
    let mut ended = false;
    loop {
        if answer_by.is_some() && owed.is_nothing() {
            ended = true;
            break;
        }
        tokio::select! {
            asked = ours.receive(), if answer_by.is_none() => {
                let message = match asked {
                    Ok(Received::Message(message)) => message,
                    // What is not even UTF-8 is one bad message here, and one there.
                    Ok(Received::Malformed | Received::NoRoom { .. }) => Message::Text(Bytes::from_static(b"\xef\xbf\xbd")),
                    Ok(Received::Pong) => continue,
                    Err(_) => {
                        answer_by = Some(Instant::now() + GRACE);
                        continue;
                    }
                };
                owed.asked(message.bytes());
                executor.send_all(message).await.map_err(|closed| lost(&closed, &owed))?;
            }
            answered = executor.receive() => {
                let Received::Message(message) = answered.map_err(|closed| lost(&closed, &owed))? else { continue };
                let frames = owed.answered(message.bytes());
                ours.send_all(message).await.map_err(|closed| cut(&owed, &closed.to_string()))?;
                if frames {
                    break;
                }
            }
            () = sleep_until(answer_by.unwrap_or_else(Instant::now)), if answer_by.is_some() => {
                return Err(cut(&owed, "they did not come in time"));
            }
        }
    }
    if !ended {
        // The last line is written: what follows are frames.
        return match ours.into_parts() {
            Some(parts) => bytes(parts, executor).await,
            None => Ok(()),
        };
    }
    executor.close(1000, "");
    let _ = timeout(FAREWELL, executor.closed()).await;
    let _ = timeout(FAREWELL, ours.closed()).await;
    Ok(())
}

/// Carries bytes both ways until either end is gone. Nothing is said to the executor then: its session may go on.
async fn bytes<R, W>(parts: StdioParts<R, W>, executor: WebSocket<NetStream>) -> Result<(), Failure>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let StdioParts { mut input, mut output, read_ahead } = parts;
    let (stream, answered) = executor.into_parts();
    let (mut from, mut to) = split(stream);
    let up = async {
        to.write_all(&read_ahead).await?;
        copy(&mut input, &mut to).await
    };
    let down = async {
        output.write_all(&answered).await?;
        copy(&mut from, &mut output).await?;
        output.flush().await
    };
    tokio::select! {
        _ = up => {}
        _ = down => {}
    }
    Ok(())
}

fn lost(closed: &Closed, owed: &Owed) -> Failure {
    let message = format!("the connection to the executor ended: {closed}");
    let code = if owed.is_nothing() { ExitCode::ExecutorUnreachable } else { ExitCode::SessionLost };
    Failure::new(code, message)
}

fn cut(owed: &Owed, why: &str) -> Failure {
    Failure::new(
        ExitCode::ServeCut,
        format!("{} answers were owed when standard input ended: {why}", owed.count()),
    )
}
