use super::{
    core::Core,
    fields,
    message::{Envelope, Kind, Message},
    session::Session,
};
use crate::{
    Failure, Stage,
    answer::Answer,
    body,
    login::Challenge,
    lost,
    media_type::{EVENT_STREAM, JSON},
    request::SESSION_ID,
};
use afield_exchange::Retry;
use http::StatusCode;
use std::sync::Arc;

/// The largest answer that is read whole, in bytes.
const LARGEST: usize = 64 << 20;
/// How much is shown of an answer that is none, in characters.
const SHOWN: usize = 200;

/// What became of a message.
pub(super) enum Answered {
    /// All that is owed for it has been handed on.
    Done,
    /// The server does not know the session, and did not execute it. Nothing was handed on.
    Lost,
}

impl Core {
    /// Hands on what answers a message.
    pub async fn answer(
        self: &Arc<Self>,
        message: &Message,
        answer: Answer,
        at: &Session,
        may_be_lost: bool,
    ) -> Answered {
        let status = answer.status();
        if status.is_success() && message.method() == Some("initialize") {
            self.session().id = session(&answer);
        }
        if status.is_success() && Self::opens(message) {
            let session = {
                let mut session = self.session();
                session.is_open = true;
                session.clone()
            };
            self.listen(session).await;
            return Answered::Done;
        }
        let outcome = if !status.is_success() {
            self.refusal(message, answer, may_be_lost).await
        } else if answer.is(EVENT_STREAM) {
            Ok(self.events(answer, message, at, may_be_lost).await)
        } else if answer.is(JSON) && !matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            self.whole(message, answer, may_be_lost).await
        } else {
            match message.owed() {
                [] => Ok(Answered::Done),
                _ => Err(Failure::new(
                    Stage::Mcp,
                    "the server owes an answer and gave none",
                    "",
                    Retry::Unknown,
                )),
            }
        };
        match outcome {
            Ok(answered) => answered,
            Err(failure) => {
                self.refuse(message.owed(), &failure).await;
                Answered::Done
            }
        }
    }

    /// One message, or several in one.
    async fn whole(&self, message: &Message, answer: Answer, may_be_lost: bool) -> Result<Answered, Failure> {
        let (status, length) = (answer.status(), answer.length());
        let text = body::whole(answer.body, length, LARGEST).await.map_err(unread)?;
        if message.owed().is_empty() && text.trim_ascii().is_empty() {
            return Ok(Answered::Done);
        }
        if serde_json::from_slice::<&serde_json::value::RawValue>(&text).is_err() {
            let hint = "is the URL that of the MCP endpoint (often it ends in /mcp)?";
            return Err(Failure::new(Stage::Mcp, "the answer is no JSON", hint, Retry::Unknown));
        }
        if may_be_lost && text.len() <= lost::LONGEST && lost::says(status, &text) {
            return Ok(Answered::Lost);
        }
        match &message.kind {
            Kind::Request { id, .. } if !self.look_at(message, &text) => return Err(no_answer_to(id, &text)),
            Kind::Request { .. } => self.write_text(text.to_vec()).await,
            Kind::Batch { ids } => {
                let Ok(all) = serde_json::from_slice::<Vec<Envelope<'_>>>(&text) else {
                    return Err(no_answer_to(&ids.join(", "), &text));
                };
                let answers = |id: &String| all.iter().any(|said| said.answers(id));
                let missing: Vec<String> = ids.iter().filter(|id| !answers(id)).cloned().collect();
                if all.iter().all(Envelope::is_message) && !all.is_empty() {
                    self.write_text(text.to_vec()).await;
                    self.refuse(&missing, &no_answer_to(&missing.join(", "), &text)).await;
                } else {
                    return Err(no_answer_to(&ids.join(", "), &text));
                }
            }
            // Nothing is owed. What the server says all the same is handed on, if it is a message.
            Kind::Notification { .. } | Kind::Response => {
                let said = serde_json::from_slice::<Envelope<'_>>(&text);
                if said.is_ok_and(|said| said.method.is_some()) {
                    self.write_text(text.to_vec()).await;
                }
            }
        }
        Ok(Answered::Done)
    }

    /// A refusal: the server's own words, if they are a message.
    async fn refusal(
        &self,
        message: &Message,
        answer: Answer,
        may_be_lost: bool,
    ) -> Result<Answered, Failure> {
        let status = answer.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && answer.field("www-authenticate").is_some()
        {
            let challenge = Challenge::of(answer.head()).unwrap_or_default();
            return Err(match challenge.is_insufficient_scope() {
                true => Failure::scope(&challenge),
                false => {
                    let failure = Failure::login("the server asks for a login", "afield mcp login NAME");
                    failure.explained(self.transport.authorizer()).await
                }
            });
        }
        let retry = match status {
            StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS => Retry::Safe,
            _ => Retry::Unknown,
        };
        let is_json = answer.is(JSON);
        if !(is_json || may_be_lost && lost::may_say(status)) {
            return Err(Failure::new(Stage::Http, format!("the server answered HTTP {status}"), "", retry));
        }
        let text = body::prefix(answer.body, if is_json { LARGEST } else { lost::LONGEST }).await;
        let text = text.unwrap_or_default();
        if may_be_lost && text.len() <= lost::LONGEST && lost::says(status, &text) {
            return Ok(Answered::Lost);
        }
        if is_json {
            let said = serde_json::from_slice::<Envelope<'_>>(&text).ok();
            if let (Some(error), Some(id)) = (said.and_then(|said| said.error), message.id()) {
                self.write_with_id(id, "error", error.get()).await;
                return Ok(Answered::Done);
            }
        }
        Err(Failure::new(Stage::Http, format!("the server answered HTTP {status}"), "", retry))
    }

    /// Learns from an answer what the transport has to know. Says whether it is one that `message` is owed.
    pub fn look_at(&self, message: &Message, text: &[u8]) -> bool {
        let Ok(said) = serde_json::from_slice::<Envelope<'_>>(text) else { return false };
        if !message.owed().iter().any(|owed| said.answers(owed)) {
            return false;
        }
        if let Some(result) = said.result {
            match message.method() {
                Some("initialize") => self.session().revision = revision(result.get()),
                Some("tools/list") => fields::learn(&mut self.tools(), result.get()),
                _ => {}
            }
        }
        true
    }

    /// The session that an answer to `initialize` begins, of which the host is told nothing.
    pub async fn begun_by(&self, answer: Answer, initialize: &Message) -> Result<Session, Failure> {
        let status = answer.status();
        if !status.is_success() {
            return Err(Failure::new(Stage::Mcp, format!("no new session: HTTP {status}"), "", Retry::Safe));
        }
        let id = session(&answer);
        let text = if answer.is(EVENT_STREAM) {
            self.first_answer(answer, initialize).await?
        } else {
            let length = answer.length();
            body::whole(answer.body, length, LARGEST).await.map_err(unread)?
        };
        let said = serde_json::from_slice::<Envelope<'_>>(&text).ok();
        let revision = said.and_then(|said| revision(said.result?.get()));
        match revision {
            Some(revision) => Ok(Session { id, revision: Some(revision), ..Session::default() }),
            None => Err(Failure::new(Stage::Mcp, "no new session: the server refused it", "", Retry::Safe)),
        }
    }
}

/// What came where the answer to this was due. It answers nothing, so whether something was done is not known.
pub(super) fn no_answer_to(id: &str, text: &[u8]) -> Failure {
    let shown = String::from_utf8_lossy(text);
    let line = shown.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = line.take(SHOWN).collect();
    if shown.chars().count() > SHOWN {
        short.push('…');
    }
    let hint = "the server breaks the protocol: tell whoever runs it";
    let id: String = id.chars().take(SHOWN).collect();
    Failure::new(
        Stage::Mcp,
        format!("what came is no answer to the request {id}: {short}"),
        hint,
        Retry::Unknown,
    )
}

fn session(answer: &Answer) -> Option<Arc<str>> {
    answer.field(SESSION_ID).and_then(crate::challenge::visible).map(Arc::from)
}

fn revision(result: &str) -> Option<String> {
    let result: serde_json::Value = serde_json::from_str(result).ok()?;
    Some(result.get("protocolVersion")?.as_str()?.to_owned())
}

fn unread(unread: body::Unread) -> Failure {
    match unread {
        body::Unread::TooLarge => {
            Failure::new(Stage::Mcp, format!("the answer is larger than {LARGEST} bytes"), "", Retry::No)
        }
        body::Unread::Failed(error) => {
            // It has answered.
            let Failure { stage, message, hint, .. } = Failure::of_exchange(&error);
            Failure::new(stage, message, hint, Retry::Unknown)
        }
    }
}
