use super::{
    answer::Answered,
    fields::{self, Tools},
    message::{Kind, Message},
    pace::Pace,
    session::Session,
};
use crate::{Failure, HttpTransport, Stage, answer::Answer, request::Draft};
use afield_exchange::{Request, Retry};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a message that certainly was not executed is sent again, where whoever refused it is there; and how long a new
/// session may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it is sent again where nobody is there, from when that was first seen: a restart may be that short, and a host waits for
/// each message.
const AWAY: Duration = Duration::from_millis(750);
/// How long a message that was sent is waited for while the connection to the executor is lost. An executor that died does not come
/// back to it, and a host waits; a proxy that is loaded anew takes less.
const KEPT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A request under way.
struct UnderWay {
    given_up: CancellationToken,
    /// Whether it is a message by itself, and not one of several.
    is_alone: bool,
}

/// What all messages of a relay share.
pub(super) struct Core {
    pub url: Arc<str>,
    name: Option<Arc<str>>,
    pub transport: HttpTransport,
    output: mpsc::Sender<Vec<u8>>,
    pub tasks: TaskTracker,
    pub ending: CancellationToken,
    session: Mutex<Session>,
    tools: Mutex<Tools>,
    /// Requests under way by their ids, to be given up.
    begun: Mutex<HashMap<String, UnderWay>>,
    /// Since when the server, or the executor before it, is away.
    away: Mutex<Option<Instant>>,
    /// Who begins a new session holds this; the others wait for what comes of it. This is the one place where sessions are
    /// begun that the host did not ask for.
    renewing: tokio::sync::Mutex<Pace>,
}

impl Core {
    pub fn new(
        url: Arc<str>,
        name: Option<Arc<str>>,
        transport: HttpTransport,
        output: mpsc::Sender<Vec<u8>>,
        tasks: TaskTracker,
        ending: CancellationToken,
    ) -> Self {
        Self {
            url,
            name,
            transport,
            output,
            tasks,
            ending,
            session: Mutex::default(),
            tools: Mutex::default(),
            begun: Mutex::default(),
            away: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
        }
    }

    /// Sends a message on, and what answers it back. Every answer that is due is there, or an error in its place.
    pub async fn relay(self: &Arc<Self>, message: Message) {
        if message.method() == Some("initialize") {
            let mut session = self.session();
            *session = Session {
                initialize: Some(message.clone()),
                generation: session.generation + 1,
                ..Session::default()
            };
        }
        let until = Instant::now() + PATIENCE;
        let (mut pause, mut is_renewed) = (PAUSE, false);
        let failure = loop {
            let at = self.session().clone();
            let may_be_lost = at.id.is_some() && !is_renewed && message.method() != Some("initialize");
            let failure = match self.post(&message, &at).await {
                Ok(answer) => match self.answer(&message, answer, &at, may_be_lost).await {
                    Answered::Done => return,
                    Answered::Lost => {
                        is_renewed = true;
                        match self.renew(at.generation, until).await {
                            Ok(()) => continue,
                            // The message was refused, for want of a session.
                            Err(failure) => break failure.beforehand(),
                        }
                    }
                },
                Err(failure) => failure,
            };
            let is_passing = failure.retry == Retry::Safe && failure.is_passing();
            let until = if failure.is_away() { self.away_since() + AWAY } else { until };
            if !is_passing || Instant::now() + pause > until {
                break failure;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        self.refuse(message.owed(), &failure).await;
    }

    pub async fn post(&self, message: &Message, at: &Session) -> Result<Answer, Failure> {
        let draft = Draft::new("POST", &self.url, None, HashMap::new())
            .map_err(|error| Failure::of_transport(&error))?
            .accept()
            .session(at.id.as_deref().filter(|_| message.method() != Some("initialize")))
            .json(message.text.to_vec());
        let mut request = draft.finish(self.transport.common());
        request.keep = Some(KEPT);
        self.describe(&mut request, message, at);
        let sent = self.transport.send(request).await.map_err(|error| Failure::of_transport(&error));
        if sent.as_ref().map_or_else(|failure| !failure.is_away(), |_| true) {
            *self.away.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        sent
    }

    /// Since when nobody is there: now, if that is new.
    fn away_since(&self) -> Instant {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        *away.get_or_insert_with(Instant::now)
    }

    /// Adds what header fields say of a message.
    fn describe(&self, request: &mut Request, message: &Message, at: &Session) {
        let Some(revision) = message.revision().or(at.revision.as_deref()) else { return };
        if message.method() == Some("initialize") {
            return;
        }
        request.headers.push(afield_exchange::Header::new("mcp-protocol-version", revision.to_owned()));
        if revision >= fields::FIRST {
            request.headers.extend(fields::of(message, &self.tools()));
        }
    }

    /// Begins a session in place of one that the server no longer knows, with the host's own `initialize`. Of all who ask
    /// for it, one does; and none where the last one did not last, before some time has passed. Fails rather than wait
    /// beyond `until`.
    pub async fn renew(self: &Arc<Self>, generation: u64, until: Instant) -> Result<(), Failure> {
        let forgets = || {
            let hint = "the server forgets its sessions: see its own log, and whether several of it stand behind one address";
            Failure::new(
                Stage::Mcp,
                "the server no longer knows the session it has just begun",
                hint,
                Retry::Safe,
            )
        };
        let Ok(mut pace) = timeout_at(until, self.renewing.lock()).await else { return Err(forgets()) };
        let at = self.session().clone();
        if at.generation != generation {
            return Ok(());
        }
        let now = Instant::now();
        let wait = pace.wait(now);
        if now + wait > until {
            return Err(forgets());
        }
        sleep(wait).await;
        pace.begin(Instant::now());
        let begun = timeout(PATIENCE, self.begin_anew(at)).await;
        let silent =
            || Failure::new(Stage::Mcp, "no new session: the server does not answer", "", Retry::Safe);
        let session = begun.unwrap_or_else(|_| Err(silent()))?;
        drop(pace);
        if session.is_open {
            self.listen(session).await;
        }
        Ok(())
    }

    /// A session in place of this one.
    async fn begin_anew(self: &Arc<Self>, at: Session) -> Result<Session, Failure> {
        let lost = || Failure::new(Stage::Mcp, "the server no longer knows the session", "", Retry::Safe);
        let initialize = at.initialize.clone().ok_or_else(lost)?;
        let answer = self.post(&initialize, &Session::default()).await?;
        let begun = self.begun_by(answer, &initialize).await?;
        let session = Session {
            generation: at.generation + 1,
            is_open: at.is_open,
            initialize: Some(initialize),
            ..begun
        };
        let open = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        let open = Message::parse(open).expect("it is a message");
        let answer = self.post(&open, &session).await?;
        if !answer.status().is_success() {
            return Err(lost());
        }
        tracing::info!("the server lost the session: there is a new one");
        *self.session() = session.clone();
        Ok(session)
    }

    /// Gives a request up that its host cancels, where that is told by closing its stream. Says whether that is all.
    pub fn cancel(&self, message: &Message) -> bool {
        let Some(id) = message.params.get("requestId") else { return false };
        let modern = self.session().revision.as_deref().is_none_or(|revision| revision >= fields::FIRST);
        match self.requests().get(&id.to_string()).filter(|begun| modern && begun.is_alone) {
            Some(begun) => {
                begun.given_up.cancel();
                true
            }
            None => false,
        }
    }

    pub fn begin(&self, message: &Message) -> CancellationToken {
        let given_up = self.ending.child_token();
        let is_alone = message.id().is_some();
        for id in message.owed() {
            let begun = UnderWay { given_up: given_up.clone(), is_alone };
            self.requests().insert(id.clone(), begun);
        }
        given_up
    }

    /// Answers every request that is still under way, as nobody waits for its own answer any more.
    pub async fn give_up(&self) {
        let under_way: Vec<_> = self.requests().drain().collect();
        for (id, begun) in under_way {
            begun.given_up.cancel();
            let failure =
                Failure::new(Stage::Mcp, "there was no answer before the host ended", "", Retry::Unknown);
            self.refuse(&[id], &failure).await;
        }
    }

    /// Whether this is the id of a request under way.
    pub fn is_under_way(&self, id: &str) -> bool {
        self.requests().contains_key(id)
    }

    /// The answers that were due under these ids are there.
    pub fn finish(&self, ids: &[String]) {
        let mut requests = self.requests();
        for id in ids {
            requests.remove(id);
        }
    }

    /// Answers what is owed with an error.
    pub async fn refuse(&self, owed: &[String], failure: &Failure) {
        let failure = &match &self.name {
            Some(name) => failure.clone().of_server(name),
            None => failure.clone(),
        };
        if owed.is_empty() {
            tracing::warn!(stage = %failure.stage, %failure, "a message was not delivered");
        }
        for id in owed {
            let executed = match (failure.retry, failure.may_have_been_executed()) {
                (Retry::No, false) => "it was not executed, and sending it again is pointless",
                (Retry::No, true) => "sending it again is pointless",
                (_, false) => "it was not executed",
                (_, true) => "it may have been executed",
            };
            let error = json!({
                "code": -32000,
                "message": format!("{failure}; {executed}"),
                "data": { "afield": {
                    "stage": failure.stage.name(),
                    "mayHaveBeenExecuted": failure.may_have_been_executed(),
                    "hint": failure.hint,
                } },
            });
            self.write_with_id(id, "error", &error.to_string()).await;
        }
    }

    pub async fn write_with_id(&self, id: &str, key: &str, raw: &str) {
        self.write_text(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"{key}\":{raw}}}").into_bytes()).await;
    }

    pub async fn write(&self, message: Value) {
        self.write_text(message.to_string().into_bytes()).await;
    }

    /// Writes a message on a line of its own: line ends in it can only stand between tokens.
    pub async fn write_text(&self, mut text: Vec<u8>) {
        for byte in text.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        text.push(b'\n');
        let _ = self.output.send(text).await;
    }

    /// Ends the session.
    pub async fn goodbye(&self) {
        let at = self.session().clone();
        let Some(id) = &at.id else { return };
        let Ok(draft) = Draft::new("DELETE", &self.url, None, HashMap::new()) else { return };
        let mut request = draft.session(Some(id)).finish(self.transport.common());
        if let Some(revision) = at.revision {
            request.headers.push(afield_exchange::Header::new("mcp-protocol-version", revision));
        }
        if let Err(error) = self.transport.send(request).await {
            tracing::debug!(%error, "the session's end was not heard");
        }
    }

    pub fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn tools(&self) -> MutexGuard<'_, Tools> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self) -> MutexGuard<'_, HashMap<String, UnderWay>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the notification after which the server may speak of its own accord.
    pub fn opens(message: &Message) -> bool {
        matches!(&message.kind, Kind::Notification { method } if method == "notifications/initialized")
    }
}
