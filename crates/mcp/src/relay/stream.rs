use super::{
    answer::{Answered, no_answer_to},
    core::Core,
    message::{Envelope, Message},
    session::Session,
};
use crate::{
    Failure, Stage,
    answer::Answer,
    lost,
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
use tokio::time::{Instant, sleep, timeout};

/// The largest event, in bytes.
const LARGEST: usize = 64 << 20;
/// How long the messages of a session wait for its stream at most.
const OPENING: Duration = Duration::from_millis(500);
/// How long to wait before a stream that broke is gone on with, unless the server says.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a stream that keeps ending without a word is left alone at most, unless the server says.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the stream of a server that is away is left alone at most.
const LONGEST_AWAY: Duration = Duration::from_secs(2);
/// How often going on with the answer to a request is tried in vain.
const ATTEMPTS: u32 = 8;

type Events = Pin<Box<dyn Stream<Item = Result<Sse, sse_stream::Error>> + Send>>;

/// A stream, and how to go on with it.
struct Reading {
    events: Events,
    last: Option<String>,
    /// How long to wait at least, when it has ended: what the server says, but never less than the floor.
    floor: Duration,
    /// Whether anything came.
    is_used: bool,
}

/// How long to wait after a stream that ended without a word, after the last such pause.
fn longer(pause: Duration, floor: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE).max(floor)
}

/// Why a stream is not read any further.
enum End {
    /// What was waited for is there.
    Done,
    /// It ended, or broke.
    Broken,
    /// The server does not know the session.
    Lost,
}

impl Core {
    /// Hands on the events that answer a message, until the last answer that is due is there.
    pub async fn events(
        self: &Arc<Self>,
        answer: Answer,
        message: &Message,
        at: &Session,
        may_be_lost: bool,
    ) -> Answered {
        let mut due = Due { message, left: message.owed().to_vec(), may_be_lost };
        let mut reading = self.reading(answer, None, at);
        let (mut attempts, mut pause) = (0, PAUSE);
        loop {
            match self.read(&mut reading, Some(&mut due)).await {
                End::Done => return Answered::Done,
                End::Lost => return Answered::Lost,
                End::Broken if due.left.is_empty() => return Answered::Done,
                End::Broken => {}
            }
            let Some(last) = reading.last.clone() else { return self.lost(&due).await };
            pause = if reading.is_used { reading.floor } else { longer(pause, reading.floor) };
            loop {
                sleep(pause).await;
                attempts += 1;
                match self.get(at, Some(&last)).await {
                    Ok(answer) if answer.status().is_success() && answer.is(EVENT_STREAM) => {
                        let floor = reading.floor;
                        reading = Reading { floor, ..self.reading(answer, Some(last), at) };
                        break;
                    }
                    Ok(answer) if answer.status().is_client_error() => return self.lost(&due).await,
                    _ if attempts >= ATTEMPTS => return self.lost(&due).await,
                    _ => pause = longer(pause, reading.floor),
                }
            }
            attempts = attempts.min(ATTEMPTS / 2);
        }
    }

    /// Says of the answers that have not come that they will not.
    async fn lost(&self, due: &Due<'_>) -> Answered {
        let failure = Failure::new(Stage::Http, "the answer was lost on its way", "", Retry::Unknown);
        self.refuse(&due.left, &failure).await;
        Answered::Done
    }

    /// The first answer among the events.
    pub async fn first_answer(&self, answer: Answer, message: &Message) -> Result<Bytes, Failure> {
        let mut reading = self.reading(answer, None, &Session::default());
        while let Some(Ok(event)) = next(&mut reading.events).await {
            if let Some(data) = data_of(event).filter(|data| self.look_at(message, data.as_bytes())) {
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
        let (mut last, mut pause, mut floor) = (None, PAUSE, PAUSE);
        let mut was_open = false;
        loop {
            let answer = self.get(&at, last.as_deref()).await;
            drop(opened.take());
            if self.session().generation != at.generation {
                return;
            }
            match answer {
                // The session has just begun: there is no stream here, whatever the status.
                Ok(answer) if !was_open && answer.status().is_client_error() => return,
                Ok(answer)
                    if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE)
                        && at.id.is_some() =>
                {
                    // Whoever sends a message may have noticed first.
                    match self.renew_soon(at.generation).await {
                        Ok(()) => return,
                        Err(failure) => tracing::debug!(%failure, "no new session yet"),
                    }
                    pause = longer(pause, floor);
                }
                Ok(answer) if answer.status().is_success() && answer.is(EVENT_STREAM) => {
                    was_open = true;
                    let mut reading = Reading { floor, ..self.reading(answer, last.take(), &at) };
                    self.read(&mut reading, None).await;
                    floor = reading.floor;
                    pause = if reading.is_used { floor } else { longer(pause, floor) };
                    last = reading.last;
                }
                // It has none, or it is not for us.
                Ok(answer) if answer.status().is_client_error() || answer.status().is_success() => return,
                _ => pause = (pause * 2).min(LONGEST_AWAY).max(floor),
            }
            sleep(pause).await;
        }
    }

    /// Boxed, as what it does may begin another stream.
    fn renew_soon(
        self: &Arc<Self>,
        generation: u64,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + '_>> {
        Box::pin(self.renew(generation, Instant::now() + Duration::from_secs(120)))
    }

    /// Hands on events until the stream ends, or nothing more is due.
    async fn read(&self, reading: &mut Reading, mut due: Option<&mut Due<'_>>) -> End {
        while let Some(event) = next(&mut reading.events).await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    tracing::debug!(%error, "a stream broke");
                    return End::Broken;
                }
            };
            if let Some(id) = &event.id {
                reading.last = Some(id.clone());
            }
            if let Some(retry) = event.retry {
                reading.floor = Duration::from_millis(retry.min(60_000)).max(PAUSE);
            }
            let Some(data) = data_of(event) else { continue };
            match self.take(data, &mut due).await {
                Some(end) => return end,
                None => reading.is_used = true,
            }
        }
        End::Broken
    }

    /// Hands on what an event brought, if it is a message. Says whether that was the end of it.
    async fn take(&self, data: String, due: &mut Option<&mut Due<'_>>) -> Option<End> {
        if data.trim_start().starts_with('[') {
            return self.take_several(data, due).await;
        }
        let Ok(said) = serde_json::from_str::<Envelope<'_>>(&data) else { return None };
        if said.method.is_some() {
            self.write_text(data.into_bytes()).await;
            return None;
        }
        let Some(due) = due else {
            let awaited = said.id.is_some_and(|id| self.is_under_way(id.get()));
            if awaited && said.is_message() {
                self.write_text(data.into_bytes()).await;
            }
            return None;
        };
        if due.may_be_lost && lost::says(StatusCode::OK, data.as_bytes()) {
            return Some(End::Lost);
        }
        if self.look_at(due.message, data.as_bytes()) {
            let answered = due.answered_by(std::slice::from_ref(&said));
            self.write_text(data.into_bytes()).await;
            self.finish(&answered);
            return due.left.is_empty().then_some(End::Done);
        }
        // It answers something, and nothing else can be asked on this stream.
        if let (Some(id), true) = (due.message.id(), said.result.is_some() || said.error.is_some()) {
            self.refuse(due.message.owed(), &no_answer_to(id, data.as_bytes())).await;
            return Some(End::Done);
        }
        tracing::debug!("an event that is no message is left out");
        None
    }

    /// Several messages in one, as one revision had it.
    async fn take_several(&self, data: String, due: &mut Option<&mut Due<'_>>) -> Option<End> {
        let all = serde_json::from_str::<Vec<Envelope<'_>>>(&data).ok()?;
        if all.is_empty() || !all.iter().all(Envelope::is_message) {
            return None;
        }
        let answered = due.as_mut().map(|due| due.answered_by(&all)).unwrap_or_default();
        self.write_text(data.into_bytes()).await;
        self.finish(&answered);
        due.as_ref().is_some_and(|due| due.left.is_empty()).then_some(End::Done)
    }

    fn reading(&self, answer: Answer, last: Option<String>, at: &Session) -> Reading {
        let lineage = Lineage::new(self.url.clone(), at.id.clone(), last.clone());
        let events = sse::events(answer.body, LARGEST, lineage, self.transport.oversized().clone());
        Reading { events, last, floor: PAUSE, is_used: false }
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

/// What is owed on a stream.
struct Due<'a> {
    message: &'a Message,
    /// The ids of the answers that have not come.
    left: Vec<String>,
    may_be_lost: bool,
}

impl Due<'_> {
    /// Takes note of these, and returns the ids of what they answer.
    fn answered_by(&mut self, all: &[Envelope<'_>]) -> Vec<String> {
        self.left.extract_if(.., |id| all.iter().any(|said| said.answers(id))).collect()
    }
}

/// What an event brings, if it can be a message: events of other names are of something else.
fn data_of(event: Sse) -> Option<String> {
    let is_message = matches!(event.event.as_deref(), None | Some("" | "message"));
    event.data.filter(|data| is_message && !data.trim().is_empty())
}

async fn next(events: &mut Events) -> Option<Result<Sse, sse_stream::Error>> {
    std::future::poll_fn(|cx| events.as_mut().poll_next(cx)).await
}
