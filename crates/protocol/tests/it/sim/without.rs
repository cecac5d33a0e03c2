use super::{WINDOW, wire::Message};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeSet;

/// A rule of the protocol that is taken away, by meddling with what passes between two correct ends. Each is one that
/// the specification gives a reason for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Without {
    /// Ids are remembered, by the greatest.
    Memory,
    /// What was forgotten is `gone` and not `new`.
    Gone,
    /// Requests that never arrived go before any newer one.
    OrderOfIds,
    /// A body that breaks off is not one that ends.
    Abort,
    /// A sender keeps to its receiver's window.
    Credit,
    /// Credit is told whenever all that came has been taken, not only after each quarter of a window.
    PromptCredit,
    /// Answers are kept until they are acknowledged.
    KeptAnswers,
    /// An attempt that comes late is refused.
    Attempts,
    /// `session/sync` says what was consumed.
    ConsumedInSync,
    /// Nothing is said about requests before the sync is answered.
    SilenceBeforeSync,
    /// The end is said again after a loss, even when no byte is left.
    EndAgain,
    /// That a body is wanted which was held back is said again after a loss.
    AskAgain,
    /// What ends while the sync is under way is cancelled after it.
    CancelAfterSync,
}

impl Without {
    pub const ALL: [Self; 13] = [
        Self::Memory,
        Self::Gone,
        Self::OrderOfIds,
        Self::Abort,
        Self::Credit,
        Self::PromptCredit,
        Self::KeptAnswers,
        Self::Attempts,
        Self::ConsumedInSync,
        Self::SilenceBeforeSync,
        Self::EndAgain,
        Self::AskAgain,
        Self::CancelAfterSync,
    ];

    /// How the specification begins its reason.
    pub fn why(self) -> &'static str {
        match self {
            Self::Memory => "Why: with ids that are forgotten",
            Self::Gone => "Why `gone` is not sent again",
            Self::OrderOfIds => "Why in the order of ids",
            Self::Abort => "Why an ABORT",
            Self::Credit => "Why credit",
            Self::PromptCredit => "Why within 20 ms",
            Self::KeptAnswers => "Why: an error or an inline answer",
            Self::Attempts => "Why attempts",
            Self::ConsumedInSync => "Why `consumed` in the sync",
            Self::SilenceBeforeSync => "Why nothing before the sync",
            Self::EndAgain => "Why the end again",
            Self::AskAgain => "Why it is asked for again",
            Self::CancelAfterSync => "Why what ends between question and answer",
        }
    }
}

/// What an executor without memory adds to the id of a request that comes again: to it, it is a new one.
pub const AGAIN: u64 = 1 << 40;

/// What comes between the two ends.
#[derive(Default)]
pub struct Meddler {
    pub without: Option<Without>,
    /// Answers that the server is to forget.
    pub forgotten: Vec<u64>,
    /// A request that is held back until a newer one has passed.
    held_back: Option<Message>,
    /// Requests that were executed.
    pub executed: BTreeSet<u64>,
}

impl Meddler {
    pub fn new(without: Option<Without>) -> Self {
        Self { without, ..Self::default() }
    }

    /// What was held back and is not overtaken.
    pub fn release(&mut self) -> Option<Message> {
        self.held_back.take()
    }

    /// What goes on towards the other end, in the place of this message.
    pub fn pass(&mut self, message: Message, from_client: bool, resumed: bool) -> Vec<Message> {
        let Some(without) = self.without else { return vec![message] };
        let text = match message {
            Message::Text(text) => text,
            Message::Body(mut body) => {
                let is_bare = body.payload.is_empty() || body.trailers;
                if without == Without::EndAgain && body.end && is_bare && resumed {
                    return Vec::new();
                }
                if without == Without::Abort && body.abort {
                    (body.abort, body.payload) = (false, Bytes::new());
                }
                return vec![Message::Body(body)];
            }
        };
        let mut json: Value = serde_json::from_slice(&text).unwrap();
        let is_request = json["method"] == "http/request";
        match without {
            Without::Memory if is_request => {
                let id = json["id"].as_u64().unwrap();
                if self.executed.contains(&id) {
                    json["id"] = (id + AGAIN).into();
                    json["params"]["requestId"] = (id + AGAIN).into();
                }
            }
            Without::Memory | Without::Gone if !from_client => {
                for request in json["result"]["requests"].as_array_mut().into_iter().flatten() {
                    if request["state"] == "gone" {
                        request["state"] = "new".into();
                    }
                }
            }
            Without::OrderOfIds if resumed && is_request => match self.held_back.take() {
                None => {
                    self.held_back = Some(Message::Text(text));
                    return Vec::new();
                }
                Some(older) => return vec![Message::Text(text), older],
            },
            Without::ConsumedInSync => {
                let place = if from_client { &mut json["params"] } else { &mut json["result"] };
                for request in place["requests"].as_array_mut().into_iter().flatten() {
                    request[if from_client { "consumed" } else { "bodyConsumed" }] = 0.into();
                }
            }
            Without::KeptAnswers if !from_client => {
                self.forgotten.extend(json["id"].as_u64().filter(|id| *id > 0));
            }
            Without::AskAgain if !from_client && resumed && json["method"] == "http/request/consumed" => {
                let params = &json["params"];
                if params["offset"] == 0 && params["final"] != true {
                    return Vec::new();
                }
            }
            Without::CancelAfterSync if from_client && json["method"] == "http/request/cancel" => {
                return Vec::new();
            }
            Without::PromptCredit if json["method"] == "http/request/consumed" => {
                // Only every full quarter gets through.
                let offset = json["params"]["offset"].as_u64().unwrap();
                if json["params"]["final"] != true && offset % (WINDOW / 4) >= 40 {
                    return Vec::new();
                }
            }
            _ => return vec![Message::Text(text)],
        }
        vec![Message::Text(json.to_string().into())]
    }
}
