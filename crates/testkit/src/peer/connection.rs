use super::head;
use crate::socket::Socket;
use crate::wait::{within, within_at};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::collections::VecDeque;
use std::panic::Location;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// How a WebSocket connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With a close frame: its code (1005 where it had none) and reason.
    Closed(u16, String),
    /// Without one.
    Lost(String),
}

/// One end of an open WebSocket connection. Messages of any size are accepted. Pings are answered whenever the peer
/// reads, and only then. Dropping it ends the connection without a close frame.
#[derive(Debug)]
pub struct Peer {
    socket: WebSocketStream<Socket>,
    head: String,
    /// What was read while something else was looked for.
    waiting: VecDeque<Message>,
    end: Option<End>,
    pings: u64,
    /// How often [`settle`](Self::settle) has asked, and which of those was answered last.
    settles: u64,
    settled: u64,
    pub(super) last_id: u64,
}

impl Peer {
    pub(super) async fn new(socket: Socket, role: Role, head: String, rest: Bytes) -> Self {
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let socket = WebSocketStream::from_partially_read(socket, rest.to_vec(), role, Some(config)).await;
        Self {
            socket,
            head,
            waiting: VecDeque::new(),
            end: None,
            pings: 0,
            settles: 0,
            settled: 0,
            last_id: 0,
        }
    }

    /// The first value of this header of the other side's handshake: the request's for a server, the answer's for a
    /// client.
    pub fn header(&self, name: &str) -> Option<&str> {
        head::header(&self.head, name)
    }

    /// The first line of the other side's handshake.
    pub fn first_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// How many pings have been read.
    pub fn pings(&self) -> u64 {
        self.pings
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE), when the other side does not read.
    #[track_caller]
    pub fn try_send(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> {
        within("the other side takes a message", self.socket.send(message.into()))
    }

    /// Sends text, JSON or not.
    ///
    /// # Panics
    ///
    /// When the connection is gone, and after [`PATIENCE`](crate::PATIENCE).
    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.try_send(Message::text(text.into())).await.expect("the connection is open");
    }

    /// Sends JSON as text.
    ///
    /// # Panics
    ///
    /// When the connection is gone, and after [`PATIENCE`](crate::PATIENCE).
    pub async fn send_json(&mut self, value: &Value) {
        self.send_text(value.to_string()).await;
    }

    /// Sends bytes.
    ///
    /// # Panics
    ///
    /// When the connection is gone, and after [`PATIENCE`](crate::PATIENCE).
    pub async fn send_binary(&mut self, bytes: impl Into<Bytes>) {
        self.try_send(Message::Binary(bytes.into())).await.expect("the connection is open");
    }

    /// Writes `bytes` as they are behind what was sent: frames of a [`Frame`](super::Frame), or no frames at all.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn send_raw(&mut self, bytes: impl Into<Bytes>) -> impl Future<Output = std::io::Result<()>> {
        let bytes = bytes.into();
        let socket = self.socket.get_mut();
        within("the other side takes bytes", async move {
            socket.write_all(&bytes).await?;
            socket.flush().await
        })
    }

    /// The next text or binary message, or how the connection ended.
    ///
    /// # Errors
    ///
    /// The end of the connection, each time from then on.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn message(&mut self) -> impl Future<Output = Result<Message, End>> {
        let caller = Location::caller();
        self.next_at(caller)
    }

    async fn next_at(&mut self, caller: &'static Location<'static>) -> Result<Message, End> {
        match self.waiting.pop_front() {
            Some(message) => Ok(message),
            None => self.read(caller).await,
        }
    }

    /// The next message, as JSON.
    ///
    /// # Panics
    ///
    /// When it is no JSON, when the connection ends, and after [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn json(&mut self) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            match self.next_at(caller).await {
                Ok(message) => parse(&message).unwrap_or_else(|| panic!("no JSON at {caller}: {message:?}")),
                Err(end) => panic!("a message was expected at {caller}: {end:?}"),
            }
        }
    }

    /// The next message, which must be binary.
    ///
    /// # Panics
    ///
    /// When it is text, when the connection ends, and after [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn binary(&mut self) -> impl Future<Output = Bytes> {
        let caller = Location::caller();
        async move {
            match self.next_at(caller).await {
                Ok(Message::Binary(bytes)) => bytes,
                other => panic!("a binary message was expected at {caller}: {other:?}"),
            }
        }
    }

    /// Waits until `wanted` finds what it looks for in a message; others are kept in order for later.
    ///
    /// # Panics
    ///
    /// When the connection ends, and after [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn find<R>(&mut self, mut wanted: impl FnMut(&Message) -> Option<R>) -> impl Future<Output = R> {
        let caller = Location::caller();
        async move {
            let kept = self.waiting.iter().enumerate().find_map(|(index, m)| Some((index, wanted(m)?)));
            if let Some((index, found)) = kept {
                self.waiting.remove(index);
                return found;
            }
            loop {
                match self.read(caller).await {
                    Ok(message) => match wanted(&message) {
                        Some(found) => return found,
                        None => self.waiting.push_back(message),
                    },
                    Err(end) => {
                        panic!("a message was expected at {caller}: {end:?}; kept {:?}", self.waiting)
                    }
                }
            }
        }
    }

    /// Sends a ping and waits for its pong. What the other side said before it is then kept here, so that
    /// [`kept`](Self::kept) tells whether it said anything. (A side that lets pongs overtake messages proves less.)
    ///
    /// # Panics
    ///
    /// When the connection ends, and after [`PATIENCE`](crate::PATIENCE).
    pub async fn settle(&mut self) {
        self.settles += 1;
        let ping = Bytes::copy_from_slice(&self.settles.to_be_bytes());
        self.try_send(Message::Ping(ping)).await.expect("the connection is open");
        while self.settled < self.settles {
            match within("a pong comes", self.read_frame()).await {
                Ok(Some(message)) => self.waiting.push_back(message),
                Ok(None) => {}
                Err(end) => panic!("a pong was expected: {end:?}"),
            }
        }
    }

    /// How many messages were read and not yet asked for.
    pub fn kept(&self) -> usize {
        self.waiting.len()
    }

    /// Waits for the end of the connection; messages on the way are dropped.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE) without a message.
    #[track_caller]
    pub fn end(&mut self) -> impl Future<Output = End> {
        let caller = Location::caller();
        self.waiting.clear();
        async move {
            loop {
                if let Err(end) = self.read(caller).await {
                    return end;
                }
            }
        }
    }

    /// Sends a close frame and waits for the other side's.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    pub async fn close(mut self, code: u16, reason: &str) -> End {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.to_owned().into() };
        // A connection that is gone has its end to tell below.
        let _ = self.socket.close(Some(frame)).await;
        self.end().await
    }

    /// Ends the connection with RST, as a killed process or a broken middlebox does.
    pub fn reset(self) {
        self.socket.into_inner().reset();
    }

    /// Ends the connection with FIN and without a close frame.
    pub fn vanish(self) {
        self.socket.into_inner().cut();
    }

    async fn read(&mut self, caller: &'static Location<'static>) -> Result<Message, End> {
        loop {
            if let Some(message) = within_at("a message comes", caller, self.read_frame()).await? {
                return Ok(message);
            }
        }
    }

    /// Reads one message, `None` for one that only the protocol cares about.
    async fn read_frame(&mut self) -> Result<Option<Message>, End> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        let end = match self.socket.next().await {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => return Ok(Some(message)),
            Some(Ok(Message::Ping(_))) => {
                self.pings += 1;
                // The pong is queued; a connection that fails here tells so at the next read.
                let _ = self.socket.flush().await;
                return Ok(None);
            }
            Some(Ok(Message::Pong(payload))) => {
                let number = payload[..].try_into().map(u64::from_be_bytes).unwrap_or_default();
                self.settled = self.settled.max(number.min(self.settles));
                return Ok(None);
            }
            Some(Ok(Message::Close(frame))) => {
                // The answering close frame is queued; the other side may be gone before it.
                let _ = self.socket.flush().await;
                frame.map_or(End::Closed(1005, String::new()), |frame| {
                    End::Closed(frame.code.into(), frame.reason.to_string())
                })
            }
            Some(Ok(Message::Frame(_))) => return Ok(None),
            Some(Err(error)) => End::Lost(error.to_string()),
            None => End::Lost("the stream ended".to_owned()),
        };
        self.end = Some(end.clone());
        Err(end)
    }
}

pub(super) fn parse(message: &Message) -> Option<Value> {
    match message {
        Message::Text(text) => serde_json::from_str(text).ok(),
        Message::Binary(bytes) => serde_json::from_slice(bytes).ok(),
        _ => None,
    }
}
