use afield_testkit::peer::{End, Message, Peer, Upgrade};
use serde_json::{Value, json};
use std::{collections::VecDeque, net::SocketAddr};

/// A connection of the base dialect on which an end of the connection is something to look at, not a failure of the
/// test: where no answer comes any more, it is `{"dropped": true}`.
pub struct Wire {
    peer: Peer,
    next_id: i64,
    /// What came while something else was awaited.
    kept: VecDeque<Value>,
    end: Option<End>,
}

impl Wire {
    /// A connection upgraded and nothing more.
    pub async fn open(executor: SocketAddr) -> Self {
        let peer = Upgrade::to(executor).open().await.unwrap();
        Self { peer, next_id: 1, kept: VecDeque::new(), end: None }
    }

    /// A connection ready for calls.
    pub async fn dial(executor: SocketAddr) -> Self {
        let mut wire = Self::open(executor).await;
        wire.initialize(Value::Null).await;
        wire
    }

    /// Initializes, resuming `session` unless it is null; returns the result.
    pub async fn initialize(&mut self, session: Value) -> Value {
        self.peer.initialize(json!({ "clientName": "interop", "resumeSessionId": session })).await
    }

    /// Sends one message as it stands, in one frame.
    pub async fn send(&mut self, message: impl Into<Message>) {
        // A connection that is gone shows when the answer is awaited.
        let _ = self.peer.try_send(message).await;
    }

    pub async fn send_json(&mut self, message: Value) {
        self.send(message.to_string()).await;
    }

    /// Sends a request without awaiting its answer; returns its id.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = json!(self.next_id);
        self.next_id += 1;
        self.send_json(json!({ "id": id, "method": method, "params": params })).await;
        id
    }

    /// Sends a request and awaits its answer.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        self.answer(&id).await
    }

    /// Awaits the answer to `id`; everything else that comes meanwhile is kept for [`Wire::next`].
    pub async fn answer(&mut self, id: &Value) -> Value {
        self.find(|message| message["id"] == *id && message["method"].is_null()).await
    }

    /// Awaits the next delta of a stream.
    pub async fn delta(&mut self, request_id: &str) -> Value {
        let found = self.find(|message| {
            message["method"] == "http/request/bodyDelta" && message["params"]["requestId"] == request_id
        });
        let mut message = found.await;
        if message["dropped"] == true { message } else { message["params"].take() }
    }

    /// Awaits the next message, whatever it is. `None` once the connection has ended.
    pub async fn next(&mut self) -> Option<Value> {
        match self.kept.pop_front() {
            Some(message) => Some(message),
            None => self.receive().await,
        }
    }

    /// What has become of the connection.
    pub async fn pulse(&mut self) -> String {
        self.call("environment/status", json!({})).await;
        match &self.end {
            None => "the connection lives".to_owned(),
            Some(End::Lost(_)) => "the connection is dropped".to_owned(),
            Some(End::Closed(code, _)) => format!("the connection is closed with {code}"),
        }
    }

    /// Ends the connection without a word, as a crash does.
    pub fn cut(self) {
        self.peer.reset();
    }

    async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return self.kept.remove(at).expect("the position was just found");
        }
        loop {
            match self.receive().await {
                Some(message) if wanted(&message) => return message,
                Some(message) => self.kept.push_back(message),
                None => return json!({ "dropped": true }),
            }
        }
    }

    async fn receive(&mut self) -> Option<Value> {
        match self.peer.message().await {
            Ok(Message::Text(text)) => Some(serde_json::from_str(&text).unwrap()),
            Ok(other) => panic!("base knows text messages only: {other:?}"),
            Err(end) => {
                self.end = Some(end);
                None
            }
        }
    }
}
