//! A server's Streamable HTTP on one side, lines of JSON-RPC on the other: for hosts that only start programs.
//!
//! Nothing is terminated here: every message passes as it is, with its id, both ways: progress, server requests, and what
//! is not known yet. Added is only what the HTTP transport asks of a client: the session, the revision in header fields,
//! the stream that the server speaks on of its own accord, and going on with streams that broke.

mod answer;
mod core;
mod fields;
mod input;
mod message;
mod pace;
mod session;
mod stream;

use crate::HttpTransport;
use core::Core;
use input::Lines;
use message::{Kind, Message};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long requests may go on once nobody asks any more. With what follows, the relay ends within 10 s.
const GRACE: Duration = Duration::from_secs(7);
/// How long the end of the session may take, and writing what is left.
const GOODBYE: Duration = Duration::from_millis(1_300);
/// Messages that wait to be written, and notifications that wait to be sent.
const QUEUE: usize = 256;
/// Requests under way; more wait to be read.
const REQUESTS: usize = 1024;

/// One server, on standard input and output.
///
/// # What is promised
///
/// - **Transparent**: messages are not parsed beyond what tells a request from its answer; both revisions (2025-11-25 and
///   2026-07-28) pass, and any that keeps to the same transport.
/// - **Protocol only**: nothing but messages is written, one a line.
/// - **As far as is safe, a server may restart.** A session that the server no longer knows is begun anew, once, with the
///   host's own `initialize`; a message that certainly was not executed is sent again, for at most 10 s, and where nobody is there for less than one: it is
///   answered with an error then, and so is each that follows until somebody is. A request that may
///   have been executed is never sent again: it is answered with an error that says so.
/// - **Every request has an answer**: that of the server, or an error with code −32000 and, in `data.afield`, where it
///   failed, whether it may have been executed, and what to do.
#[derive(Clone, Debug)]
pub struct Relay {
    url: Arc<str>,
    transport: HttpTransport,
    name: Option<Arc<str>>,
}

impl Relay {
    /// A relay to the server at this URL.
    pub fn new(url: impl Into<Arc<str>>, transport: HttpTransport) -> Self {
        Self { url: url.into(), transport, name: None }
    }

    /// Says what to do as commands for the server of this name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Relays until `input` ends, then waits for the answers that are due; it ends within 10 s; or until `stop`. Ends the session.
    ///
    /// Dropping the future cancels everything.
    ///
    /// # Errors
    ///
    /// `input` cannot be read, or `output` cannot be written.
    pub async fn run(
        self,
        input: impl AsyncRead + Unpin,
        output: impl AsyncWrite + Unpin,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let tasks = TaskTracker::new();
        let ending = CancellationToken::new();
        let _ending = ending.clone().drop_guard();
        let core = Arc::new(Core::new(self.url, self.name, self.transport, sender, tasks.clone(), ending));
        let relaying = async {
            let read = tokio::select! {
                read = read(input, &core) => read,
                () = stop.cancelled() => Ok(()),
            };
            let _ = timeout(GOODBYE, core.goodbye()).await;
            core.ending.cancel();
            read
        };
        // The queue of what is to be written ends with the last who may write.
        let mut writing = std::pin::pin!(write(output, receiver));
        let read = tokio::select! {
            read = relaying => read,
            wrote = &mut writing => return wrote,
        };
        drop(core);
        tasks.close();
        timeout(GOODBYE, writing).await.unwrap_or(Ok(()))?;
        read
    }
}

/// A message, and what has to be over before it is sent.
type Ordered = (Message, CancellationToken);

/// Takes messages in until there are no more and their answers are there. Nothing that a server does keeps lines from being
/// read: what has to wait waits by itself.
async fn read(input: impl AsyncRead + Unpin, core: &Arc<Core>) -> io::Result<()> {
    let (ordered, mut queue) = mpsc::channel::<Ordered>(QUEUE);
    let said = core.clone();
    let ordering = TaskTracker::new();
    // What is not answered is sent in order: one after the other.
    ordering.spawn(core.ending.clone().run_until_cancelled_owned(async move {
        while let Some((message, before)) = queue.recv().await {
            before.cancelled().await;
            said.relay(message).await;
        }
    }));
    let room = Arc::new(Semaphore::new(REQUESTS));
    let requests = TaskTracker::new();
    let mut lines = Lines::new(BufReader::new(input));
    // What begins the session: what comes after it may depend on it.
    let mut before = CancellationToken::new();
    before.cancel();
    while let Some(line) = lines.next().await? {
        let message = match Message::parse(line) {
            Ok(message) => message,
            Err(answer) => {
                core.write(answer).await;
                continue;
            }
        };
        let begins = matches!(message.method(), Some("initialize" | "notifications/initialized"));
        match &message.kind {
            Kind::Notification { method } if method == "notifications/cancelled" && core.cancel(&message) => {
            }
            Kind::Notification { .. } if !begins => {
                let _ = ordered.send((message, before.clone())).await;
            }
            _ => {
                let permit = room.clone().acquire_owned().await.expect("it is never closed");
                let given_up = core.begin(&message);
                let earlier = match message.kind {
                    // A server may wait for it in the middle of what is waited for.
                    Kind::Response => None,
                    _ => Some(before.clone()),
                };
                let over = begins.then(|| {
                    before = CancellationToken::new();
                    before.clone().drop_guard()
                });
                let core = core.clone();
                requests.spawn(async move {
                    let owed = message.owed().to_vec();
                    let relaying = async {
                        if let Some(earlier) = earlier {
                            earlier.cancelled().await;
                        }
                        core.relay(message).await;
                    };
                    given_up.run_until_cancelled(relaying).await;
                    core.finish(&owed);
                    drop((permit, over));
                });
            }
        }
    }
    drop(ordered);
    requests.close();
    ordering.close();
    let all = async { tokio::join!(requests.wait(), ordering.wait()) };
    if timeout(GRACE, all).await.is_err() {
        tracing::warn!("requests without an answer are given up");
        let _ = timeout(GOODBYE, core.give_up()).await;
    }
    Ok(())
}

async fn write(mut output: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(line) = queue.recv().await {
        output.write_all(&line).await?;
        output.flush().await?;
    }
    Ok(())
}
