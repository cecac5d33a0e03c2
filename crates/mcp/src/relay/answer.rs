use super::{
    core::Core,
    fields,
    message::{Envelope, Message},
    session::Session,
};
use crate::{
    Failure, Stage,
    answer::Answer,
    body,
    media_type::{EVENT_STREAM, JSON},
    request::SESSION_ID,
};
use afield_exchange::Retry;
use http::StatusCode;
use std::sync::Arc;

/// The largest answer that is read whole, in bytes.
const LARGEST: usize = 64 << 20;

impl Core {
    /// Hands on what answers a message.
    pub async fn answer(self: &Arc<Self>, message: &Message, answer: Answer, at: &Session) {
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
            return self.listen(session).await;
        }
        let outcome = if !status.is_success() {
            self.refusal(message, answer).await
        } else if answer.is(EVENT_STREAM) {
            self.events(answer, message, at).await
        } else if answer.is(JSON) && !matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            self.whole(message, answer).await
        } else {
            match message.owed() {
                [] => Ok(()),
                _ => Err(Failure::new(
                    Stage::Mcp,
                    "the server owes an answer and gave none",
                    "",
                    Retry::Unknown,
                )),
            }
        };
        if let Err((failure, owed)) = outcome.map_err(|failure: Failure| (failure, message.owed())) {
            self.refuse(owed, &failure).await;
        }
    }

    /// One message, or several in one.
    async fn whole(&self, message: &Message, answer: Answer) -> Result<(), Failure> {
        let length = answer.length();
        let text = body::whole(answer.body, length, LARGEST).await.map_err(unread)?;
        if message.owed().is_empty() && text.trim_ascii().is_empty() {
            return Ok(());
        }
        if serde_json::from_slice::<&serde_json::value::RawValue>(&text).is_err() {
            let hint = "is the URL that of the MCP endpoint (often it ends in /mcp)?";
            return Err(Failure::new(Stage::Mcp, "the answer is no JSON", hint, Retry::Unknown));
        }
        self.look_at(message, &text);
        self.write_text(text.to_vec()).await;
        Ok(())
    }

    /// A refusal: the server's own words, if they are a message.
    async fn refusal(&self, message: &Message, answer: Answer) -> Result<(), Failure> {
        let status = answer.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && answer.field("www-authenticate").is_some()
        {
            let hint = "log in with `afield mcp login`, then try again";
            return Err(Failure::login("the server asks for a login", hint));
        }
        let retry = match status {
            StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS => Retry::Safe,
            _ => Retry::Unknown,
        };
        if answer.is(JSON) {
            let text = body::prefix(answer.body, LARGEST).await.unwrap_or_default();
            let said = serde_json::from_slice::<Envelope<'_>>(&text).ok();
            if let (Some(error), Some(id)) = (said.and_then(|said| said.error), message.id()) {
                self.write_with_id(id, "error", error.get()).await;
                return Ok(());
            }
        }
        Err(Failure::new(Stage::Http, format!("the server answered HTTP {status}"), "", retry))
    }

    /// Learns from an answer what the transport has to know. Says whether it is one that `message` is owed.
    pub fn look_at(&self, message: &Message, text: &[u8]) -> bool {
        let Ok(said) = serde_json::from_slice::<Envelope<'_>>(text) else { return false };
        let (None, Some(id)) = (&said.method, said.id) else { return false };
        if !message.owed().iter().any(|owed| owed == id.get()) {
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
