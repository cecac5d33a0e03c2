use super::{WINDOW, wire::Message};
use bytes::Bytes;
use serde_json::Value;

/// A rule of the protocol that is taken away, by meddling with what passes between two correct ends. Each is one that
/// the specification gives a reason for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Without {
    /// Ids are remembered, by the greatest: what came before is `gone` and not `new`.
    Memory,
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
    /// What ends while the sync is under way is cancelled after it.
    CancelAfterSync,
}

impl Without {
    pub const ALL: [Self; 11] = [
        Self::Memory,
        Self::OrderOfIds,
        Self::Abort,
        Self::Credit,
        Self::PromptCredit,
        Self::KeptAnswers,
        Self::Attempts,
        Self::ConsumedInSync,
        Self::SilenceBeforeSync,
        Self::EndAgain,
        Self::CancelAfterSync,
    ];
}

/// What comes between the two ends.
#[derive(Default)]
pub struct Meddler {
    pub without: Option<Without>,
    /// Answers that the server is to forget.
    pub forgotten: Vec<u64>,
    /// A request that is held back until a newer one has passed.
    held_back: Option<Message>,
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
                if without == Without::EndAgain && body.end && body.payload.is_empty() && resumed {
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
            Without::Memory if !from_client => {
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
