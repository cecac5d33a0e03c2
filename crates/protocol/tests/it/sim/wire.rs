use afield_protocol::resumable::{BodyMessage, Transmit};
use bytes::Bytes;
use std::collections::VecDeque;

/// A message on its way.
#[derive(Clone, Debug)]
pub enum Message {
    Text(Bytes),
    Body(BodyMessage),
}

impl Message {
    pub fn new(out: Transmit) -> Self {
        match out {
            Transmit::Text(text) => Self::Text(text),
            // Through its bytes and back, as over a wire.
            Transmit::Body(body) => Self::Body(BodyMessage::decode(&body.encode()).unwrap()),
        }
    }
}

/// A connection.
#[derive(Default)]
pub struct Link {
    pub to_server: VecDeque<Message>,
    pub to_client: VecDeque<Message>,
    /// What the client sends goes into the void, and nobody knows.
    pub deaf_server: bool,
    /// What the server sends does.
    pub deaf_client: bool,
}

impl Link {
    pub fn is_half_open(&self) -> bool {
        self.deaf_server || self.deaf_client
    }
}
