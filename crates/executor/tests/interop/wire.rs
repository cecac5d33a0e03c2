//! A client of the base dialect small enough to trust: it sends what it is told and shows what comes.

use afield_testkit::within;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{collections::VecDeque, net::SocketAddr};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// One connection to an executor.
pub struct Wire {
    socket: WebSocketStream<TcpStream>,
    next_id: i64,
    /// What came while something else was awaited.
    kept: VecDeque<Value>,
    close_code: Option<u16>,
}

impl Wire {
    /// A connection upgraded and nothing more.
    pub async fn open(executor: SocketAddr) -> Self {
        let stream = within("the executor accepts", TcpStream::connect(executor)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let upgrade = client_async_with_config(format!("ws://{executor}/"), stream, Some(config));
        let (socket, _) = within("the executor upgrades", upgrade).await.unwrap();
        Self { socket, next_id: 1, kept: VecDeque::new(), close_code: None }
    }

    /// A connection ready for calls.
    pub async fn dial(executor: SocketAddr) -> Self {
        let mut wire = Self::open(executor).await;
        wire.initialize(Value::Null).await;
        wire
    }

    /// Initializes, resuming `session` unless it is null; returns the result.
    pub async fn initialize(&mut self, session: Value) -> Value {
        let params = json!({ "clientName": "interop", "resumeSessionId": session });
        let mut answer = self.call("initialize", params).await;
        assert!(answer["error"].is_null(), "initialize is answered: {answer}");
        self.send(json!({ "method": "initialized", "params": {} })).await;
        answer["result"].take()
    }

    /// Sends one message as it stands, in one frame.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        // A connection dropped under the write shows when the answer is awaited.
        let _ = self.socket.send(Message::text(text.into())).await;
    }

    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        let _ = self.socket.send(Message::binary(bytes)).await;
    }

    pub async fn send(&mut self, message: Value) {
        self.send_text(message.to_string()).await;
    }

    /// Sends a request without awaiting its answer; returns its id.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = json!(self.next_id);
        self.next_id += 1;
        self.send(json!({ "id": id, "method": method, "params": params })).await;
        id
    }

    /// Sends a request and awaits its answer. `{"dropped": true}` if the connection ends first.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        self.answer(&id).await
    }

    /// Awaits the answer to `id`; everything else that comes meanwhile is kept for [`Wire::next`].
    pub async fn answer(&mut self, id: &Value) -> Value {
        self.find(|message| message["id"] == *id && message["method"].is_null()).await
    }

    /// Awaits the next delta of a stream. `{"dropped": true}` if the connection ends first.
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

    /// Whether the connection still answers: `lives` or `dropped`, then with the code of a close frame that came.
    pub async fn pulse(&mut self) -> String {
        let answer = self.call("environment/status", json!({})).await;
        match (answer["dropped"] == true, self.close_code) {
            (false, _) => "the connection lives".to_owned(),
            (true, None) => "the connection is dropped".to_owned(),
            (true, Some(code)) => format!("the connection is closed with {code}"),
        }
    }

    /// Ends the connection without a word, as a crash does.
    pub fn cut(self) {
        let stream = self.socket.into_inner();
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
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
        loop {
            match within("the executor sends a message", self.socket.next()).await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(frame)) => self.close_code = frame.map(|frame| frame.code.into()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => panic!("base knows text messages only: {other:?}"),
                Err(_) => return None,
            }
        }
    }
}
