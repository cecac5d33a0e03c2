use crate::checks::{Outcome, Stop};
use afield_protocol::resumable::BodyMessage;
use afield_transport::{CloseReason, Connection, Message, NetStream, Received, WebSocket};
use serde_json::{Value, json};
use std::{collections::VecDeque, fmt, time::Duration};
use tokio::time::timeout;

/// One end of a connection: says what a check has it say, and keeps what comes until it is asked for.
pub(crate) struct Wire {
    connection: WebSocket<NetStream>,
    patience: Duration,
    kept: VecDeque<Came>,
    calls: u64,
}

/// What the executor has said.
#[derive(Clone, Debug)]
pub(crate) enum Came {
    Json(Value),
    Body(BodyMessage),
    /// What is neither, shown.
    Odd(String),
    /// The end of the connection: the code and reason of a close frame, or why there was none.
    Closed(Option<u16>, String),
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(value) => {
                let text = value.to_string();
                match text.char_indices().nth(400) {
                    Some((end, _)) => write!(f, "{}…", &text[..end]),
                    None => f.write_str(&text),
                }
            }
            Self::Body(body) => write!(
                f,
                "a body message: kind {}, END {}, ABORT {}, TRAILERS {}, request {}, offset {}, {} bytes",
                body.kind as u8,
                body.end,
                body.abort,
                body.trailers,
                body.request_id,
                body.offset,
                body.payload.len()
            ),
            Self::Odd(what) => f.write_str(what),
            Self::Closed(Some(code), reason) => write!(f, "close {code} {reason:?}"),
            Self::Closed(None, why) => write!(f, "the end of the connection: {why}"),
        }
    }
}

impl Wire {
    pub fn new(connection: WebSocket<NetStream>, patience: Duration) -> Self {
        Self { connection, patience, kept: VecDeque::new(), calls: 0 }
    }

    /// For a check of what only time brings.
    pub fn wait_longer(&mut self, patience: Duration) {
        self.patience = patience;
    }

    async fn send_message(&mut self, message: Message) -> Outcome {
        match timeout(self.patience, self.connection.send_all(message)).await {
            Ok(Ok(())) => Ok(()),
            // Why it ended shows in what it said last.
            Ok(Err(_)) => Ok(()),
            Err(_) => Err(Stop::Failed("the executor does not read".to_owned())),
        }
    }

    pub async fn send_text(&mut self, text: impl Into<String>) -> Outcome {
        self.send_message(Message::Text(text.into().into())).await
    }

    pub async fn send(&mut self, value: Value) -> Outcome {
        self.send_text(value.to_string()).await
    }

    pub async fn send_binary(&mut self, bytes: Vec<u8>) -> Outcome {
        self.send_message(Message::Binary(bytes.into())).await
    }

    pub async fn notify(&mut self, method: &str, params: Value) -> Outcome {
        self.send(json!({ "method": method, "params": params })).await
    }

    /// A message of an upload.
    pub async fn send_body(&mut self, id: u64, flags: u8, offset: u64, payload: &[u8]) -> Outcome {
        self.send_binary(body(2, flags, id, offset, payload)).await
    }

    /// What comes next.
    pub async fn next(&mut self) -> Result<Came, Stop> {
        match self.kept.pop_front() {
            Some(came) => Ok(came),
            None => self.read().await,
        }
    }

    /// What has come and was not asked for.
    pub fn came(&mut self) -> Option<Came> {
        self.kept.pop_front()
    }

    async fn read(&mut self) -> Result<Came, Stop> {
        loop {
            let received = timeout(self.patience, self.connection.receive()).await;
            let received =
                received.map_err(|_| Stop::Failed(format!("nothing came within {:?}", self.patience)))?;
            return Ok(match received {
                Ok(Received::Pong) => continue,
                Ok(Received::Malformed) => Came::Odd("a message that is not UTF-8".to_owned()),
                Ok(Received::NoRoom { .. }) => Came::Odd("a message for which there is no room".to_owned()),
                Ok(Received::Message(Message::Text(text))) => match serde_json::from_slice(&text) {
                    Ok(value) => Came::Json(value),
                    Err(_) => Came::Odd(format!("a text message that is not JSON, of {} bytes", text.len())),
                },
                Ok(Received::Message(Message::Binary(bytes))) => match BodyMessage::decode(&bytes) {
                    Ok(body) => Came::Body(body),
                    Err(why) => Came::Odd(why.to_string()),
                },
                Err(closed) => match closed.reason {
                    CloseReason::Peer { code, text } => Came::Closed(Some(code.unwrap_or(1005)), text),
                    other => Came::Closed(None, afield_transport::Closed { reason: other }.to_string()),
                },
            });
        }
    }

    /// Waits for what `wanted` picks; what else comes is kept in order. The end of the connection fails the check.
    pub async fn find<T>(&mut self, what: &str, wanted: impl Fn(&Came) -> Option<T>) -> Result<T, Stop> {
        if let Some((at, found)) =
            self.kept.iter().enumerate().find_map(|(at, came)| Some((at, wanted(came)?)))
        {
            self.kept.remove(at);
            return Ok(found);
        }
        loop {
            let came = self.read().await.map_err(|stop| stop.while_waiting_for(what))?;
            if let Some(found) = wanted(&came) {
                return Ok(found);
            }
            if matches!(came, Came::Closed(..)) {
                return Err(Stop::Failed(format!("{what} was to come, and {came} did")));
            }
            self.kept.push_back(came);
        }
    }

    /// The answer to a call.
    pub async fn answer(&mut self, id: impl Into<Value>) -> Result<Value, Stop> {
        let id = id.into();
        self.find(&format!("the answer to {id}"), |came| match came {
            Came::Json(value) if value["id"] == id && value.get("method").is_none() => Some(value.clone()),
            _ => None,
        })
        .await
    }

    /// A call under a string id of its own, and its answer.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, Stop> {
        self.calls += 1;
        let id = format!("kit-{}", self.calls);
        self.call_as(&id, method, params).await
    }

    pub async fn call_as(&mut self, id: &str, method: &str, params: Value) -> Result<Value, Stop> {
        self.send(json!({ "id": id, "method": method, "params": params })).await?;
        self.answer(id).await
    }

    /// Begins a session: `initialize`, which must go well, and `initialized`. Returns the result.
    pub async fn initialize(&mut self, params: Value) -> Result<Value, Stop> {
        let answer = self.call("initialize", params).await?;
        if answer.get("result").is_none() {
            return Err(Stop::Failed(format!("initialize was answered with {answer}")));
        }
        self.notify("initialized", json!({})).await?;
        Ok(answer["result"].clone())
    }

    /// Asks in afield/1.
    pub async fn ask(&mut self, id: u64, url: &str) -> Outcome {
        self.ask_with(id, json!({ "method": "GET", "url": url })).await
    }

    /// Asks in afield/1, with these parameters beside the id.
    pub async fn ask_with(&mut self, id: u64, mut params: Value) -> Outcome {
        params["requestId"] = json!(id);
        self.send(json!({ "id": id, "method": "http/request", "params": params })).await
    }

    /// Says that a request is over.
    pub async fn finished(&mut self, id: u64) -> Outcome {
        self.notify("http/request/consumed", json!({ "requestId": id, "offset": 0, "final": true })).await
    }

    pub async fn consumed(&mut self, id: u64, offset: u64) -> Outcome {
        self.notify("http/request/consumed", json!({ "requestId": id, "offset": offset })).await
    }

    /// The next body message of a request.
    pub async fn body(&mut self, id: u64) -> Result<BodyMessage, Stop> {
        self.find(&format!("a body message of request {id}"), |came| match came {
            Came::Body(body) if body.request_id == id => Some(body.clone()),
            _ => None,
        })
        .await
    }

    /// The rest of a body to its END, giving credit for all that came. The offsets must go on where they were.
    pub async fn rest(&mut self, id: u64, mut offset: u64) -> Result<Vec<u8>, Stop> {
        let mut all = Vec::new();
        loop {
            let body = self.body(id).await?;
            if body.offset != offset || body.abort {
                return Err(Stop::Failed(format!(
                    "offset {offset} was to come, and {} did",
                    Came::Body(body)
                )));
            }
            all.extend_from_slice(&body.payload);
            offset += body.payload.len() as u64;
            if body.end {
                return Ok(all);
            }
            self.consumed(id, offset).await?;
        }
    }

    /// What the executor says of an upload: the next `consumed` of this request.
    pub async fn told(&mut self, id: u64) -> Result<Value, Stop> {
        self.find(&format!("http/request/consumed of request {id}"), |came| match came {
            Came::Json(value)
                if value["method"] == "http/request/consumed" && value["params"]["requestId"] == id =>
            {
                Some(value["params"].clone())
            }
            _ => None,
        })
        .await
    }

    /// Asks something that every executor answers, and fails the check if anything came before that answer: what was said
    /// before was to be ignored.
    pub async fn expect_silence(&mut self) -> Outcome {
        self.calls += 1;
        let id = format!("kit-{}", self.calls);
        self.send(json!({ "id": id, "method": "environment/status", "params": {} })).await?;
        let came = self.next().await?;
        match &came {
            Came::Json(value) if value["id"] == id.as_str() => Ok(()),
            _ => Err(Stop::Failed(format!("nothing was to be said, and this came: {came}"))),
        }
    }

    /// Whether the connection still answers.
    pub async fn expect_alive(&mut self) -> Outcome {
        let answer = self.call("environment/status", json!({})).await?;
        match answer["result"]["status"] == "ready" {
            true => Ok(()),
            false => Err(Stop::Failed(format!("environment/status was answered with {answer}"))),
        }
    }

    /// How the connection ends; what else comes is dropped.
    pub async fn end(&mut self) -> Result<Came, Stop> {
        loop {
            let came =
                self.next().await.map_err(|stop| stop.while_waiting_for("the end of the connection"))?;
            if matches!(came, Came::Closed(..)) {
                return Ok(came);
            }
        }
    }

    /// Says farewell with this code and waits for the other side's, for a while.
    pub async fn close(mut self, code: u16) {
        self.connection.close(code, "");
        let _ = timeout(self.patience, self.connection.closed()).await;
    }
}

/// A binary message of afield/1.
pub(crate) fn body(kind: u8, flags: u8, id: u64, offset: u64, payload: &[u8]) -> Vec<u8> {
    [&[kind, flags][..], &id.to_be_bytes(), &offset.to_be_bytes(), payload].concat()
}
