use super::{core::Core, message::Message, session::Session};
use crate::{
    Failure, Stage,
    answer::Answer,
    media_type::EVENT_STREAM,
    request::Draft,
    sse::{self, Lineage},
};
use afield_exchange::Retry;
use bytes::Bytes;
use futures_core::Stream;
use http::StatusCode;
use sse_stream::Sse;
use std::{collections::HashMap, pin::Pin, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// The largest event, in bytes.
const LARGEST: usize = 64 << 20;
/// How long the messages of a session wait for its stream at most.
const OPENING: Duration = Duration::from_millis(500);
/// How long to wait before a stream that broke is gone on with, unless the server says.
const PAUSE: Duration = Duration::from_millis(500);
/// How often going on with the answer to a request is tried in vain.
const ATTEMPTS: u32 = 8;

type Events = Pin<Box<dyn Stream<Item = Result<Sse, sse_stream::Error>> + Send>>;

/// A stream, and how to go on with it.
struct Reading {
    events: Events,
    last: Option<String>,
    pause: Duration,
}

/// Why a stream is not read any further.
enum End {
    /// What was waited for is there.
    Done,
    /// It ended, or broke.
    Broken,
}

impl Core {
    /// Hands on the events that answer a message, until the last answer that is due is there.
    pub async fn events(
        self: &Arc<Self>,
        answer: Answer,
        message: &Message,
        at: &Session,
    ) -> Result<(), Failure> {
        let mut due = message.owed().len();
        let mut reading = self.reading(answer, None, at);
        let mut attempts = 0;
        loop {
            if let End::Done = self.read(&mut reading, Some((message, &mut due))).await {
                return Ok(());
            }
            if due == 0 {
                return Ok(());
            }
            let lost = || Failure::new(Stage::Http, "the answer was lost on its way", "", Retry::Unknown);
            let Some(last) = reading.last.clone() else { return Err(lost()) };
            loop {
                sleep(reading.pause).await;
                attempts += 1;
                match self.get(at, Some(&last)).await {
                    Ok(answer) if answer.status().is_success() && answer.is(EVENT_STREAM) => {
                        let pause = reading.pause;
                        reading = Reading { pause, ..self.reading(answer, Some(last), at) };
                        break;
                    }
                    Ok(answer) if answer.status().is_client_error() => return Err(lost()),
                    _ if attempts >= ATTEMPTS => return Err(lost()),
                    _ => reading.pause = (reading.pause * 2).min(Duration::from_secs(5)),
                }
            }
            attempts = attempts.min(ATTEMPTS / 2);
        }
    }

    /// The first answer among the events.
    pub async fn first_answer(&self, answer: Answer, message: &Message) -> Result<Bytes, Failure> {
        let mut reading = self.reading(answer, None, &Session::default());
        while let Some(Ok(event)) = next(&mut reading.events).await {
            if let Some(data) = event.data.filter(|data| self.look_at(message, data.as_bytes())) {
                return Ok(data.into());
            }
        }
        Err(Failure::new(Stage::Http, "the answer was lost on its way", "", Retry::Safe))
    }

    /// Opens the stream on which the server speaks of its own accord, if it has one, and goes on with it until the session
    /// is another. Returns once it is open, or will not be, or does not open for half a second.
    pub async fn listen(self: &Arc<Self>, at: Session) {
        if at.revision.as_deref().is_some_and(|revision| revision >= super::fields::FIRST) {
            return;
        }
        let (opened, open) = tokio::sync::oneshot::channel();
        let core = self.clone();
        let ending = self.ending.clone();
        self.tasks.spawn(async move { ending.run_until_cancelled(core.keep_listening(at, opened)).await });
        let _ = timeout(OPENING, open).await;
    }

    async fn keep_listening(self: Arc<Self>, at: Session, opened: tokio::sync::oneshot::Sender<()>) {
        let mut opened = Some(opened);
        let (mut last, mut pause) = (None, PAUSE);
        loop {
            let answer = self.get(&at, last.as_deref()).await;
            drop(opened.take());
            if self.session().generation != at.generation {
                return;
            }
            match answer {
                Ok(answer) if answer.status() == StatusCode::NOT_FOUND && at.id.is_some() => {
                    // Whoever sends a message may have noticed first.
                    match self.renew_soon(at.generation).await {
                        Ok(()) => return,
                        Err(failure) => tracing::debug!(%failure, "no new session yet"),
                    }
                }
                Ok(answer) if answer.status().is_success() && answer.is(EVENT_STREAM) => {
                    let mut reading = Reading { pause: PAUSE, ..self.reading(answer, last.take(), &at) };
                    self.read(&mut reading, None).await;
                    (last, pause) = (reading.last, reading.pause);
                }
                // It has none, or it is not for us.
                Ok(answer) if answer.status().is_client_error() || answer.status().is_success() => return,
                _ => pause = (pause * 2).min(Duration::from_secs(10)),
            }
            sleep(pause).await;
        }
    }

    /// Boxed, as what it does may begin another stream.
    fn renew_soon(
        self: &Arc<Self>,
        generation: u64,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + '_>> {
        Box::pin(self.renew(generation))
    }

    /// Hands on events until the stream ends, or nothing more is due.
    async fn read(&self, reading: &mut Reading, mut due: Option<(&Message, &mut usize)>) -> End {
        while let Some(event) = next(&mut reading.events).await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    tracing::debug!(%error, "a stream broke");
                    return End::Broken;
                }
            };
            if let Some(id) = event.id {
                reading.last = Some(id);
            }
            if let Some(retry) = event.retry {
                reading.pause = Duration::from_millis(retry.min(60_000));
            }
            let is_message = matches!(event.event.as_deref(), None | Some("" | "message"));
            let Some(data) = event.data.filter(|data| is_message && !data.trim().is_empty()) else {
                continue;
            };
            let answers = due.as_ref().is_some_and(|(message, _)| self.look_at(message, data.as_bytes()));
            self.write_text(data.into_bytes()).await;
            if let (true, Some((_, due))) = (answers, &mut due) {
                **due -= 1;
                if **due == 0 {
                    return End::Done;
                }
            }
        }
        End::Broken
    }

    fn reading(&self, answer: Answer, last: Option<String>, at: &Session) -> Reading {
        let lineage = Lineage::new(self.url.clone(), at.id.clone(), last.clone());
        let events = sse::events(answer.body, LARGEST, lineage, self.transport.oversized().clone());
        Reading { events, last, pause: PAUSE }
    }

    async fn get(&self, at: &Session, last: Option<&str>) -> Result<Answer, Failure> {
        let draft = Draft::new("GET", &self.url, None, HashMap::new())
            .map_err(|error| Failure::of_transport(&error))?;
        let draft = draft.accept().session(at.id.as_deref()).last_event_id(last);
        let mut request = draft.finish(self.transport.common());
        if let Some(revision) = &at.revision {
            request.headers.push(afield_exchange::Header::new("mcp-protocol-version", revision.clone()));
        }
        self.transport.send(request).await.map_err(|error| Failure::of_transport(&error))
    }
}

async fn next(events: &mut Events) -> Option<Result<Sse, sse_stream::Error>> {
    std::future::poll_fn(|cx| events.as_mut().poll_next(cx)).await
}
