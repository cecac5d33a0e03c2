use crate::{
    RpcError,
    json::RpcId,
    resumable::BodyMessage,
    wire::{Delta, encode_response, encode_resumable_response, response, response_error},
};
use afield_exchange::{Buffered, Error, Head, Header};
use bytes::Bytes;

/// A message to the orchestrator. What can be large is written only when its turn comes, outside any lock.
#[derive(Debug)]
pub enum Outgoing {
    /// A message that is written already.
    Text(Bytes),
    /// A piece of a streamed body.
    Delta {
        /// The stream.
        request_id: Box<str>,
        /// Its place in the stream, from 1.
        seq: u64,
        /// The bytes, in pieces.
        pieces: Vec<Bytes>,
    },
    /// The end of a streamed body.
    End {
        /// The stream.
        request_id: Box<str>,
        /// Its place in the stream, from 1.
        seq: u64,
        /// Why the body failed, if it did.
        error: Option<String>,
    },
    /// A piece of a body in afield/1.
    Body(BodyMessage),
}

impl Outgoing {
    /// The message as it goes out.
    pub fn encode(self) -> Encoded {
        Encoded::Text(match self {
            Self::Text(text) => text,
            Self::Body(message) => return Encoded::Body(message),
            Self::Delta { request_id, seq, pieces } => Delta::encode(&request_id, seq, &pieces, None),
            Self::End { request_id, seq, error } => {
                Delta::encode(&request_id, seq, &[], Some(error.as_deref()))
            }
        })
    }
}

/// A message that is written.
#[derive(Debug)]
pub enum Encoded {
    /// JSON.
    Text(Bytes),
    /// A header and bytes that are not copied.
    Body(BodyMessage),
}

/// Writes the answers to one call. It holds nothing of the session: a large answer is written by the task that has it.
#[derive(Clone, Debug)]
pub struct Reply {
    id: RpcId,
    /// The request's name, in the base dialect.
    name: Box<str>,
    /// Whether a whole answer is to be marked as such.
    resumable: bool,
}

impl Reply {
    pub(super) fn new(id: RpcId, name: Box<str>) -> Self {
        Self { id, name, resumable: false }
    }

    pub(crate) fn resumable(call: u64) -> Self {
        Self { id: RpcId::Integer(i64::try_from(call).unwrap_or(-1)), name: Box::default(), resumable: true }
    }

    /// What the orchestrator calls the request: its `requestId`.
    pub fn request_name(&self) -> String {
        match (&self.id, self.resumable) {
            (RpcId::Integer(call), true) => call.to_string(),
            _ => self.name.to_string(),
        }
    }

    /// The head of a streamed answer.
    pub fn head(&self, head: &Head) -> Bytes {
        if self.resumable {
            return self.write_resumable(head, None);
        }
        self.write(head, &Bytes::new())
    }

    /// A whole answer.
    pub fn answer(&self, answer: &Buffered) -> Bytes {
        if self.resumable {
            return self.write_resumable(&answer.head, Some(answer));
        }
        self.write(&answer.head, &answer.body)
    }

    /// How many bytes [`answer`](Self::answer) writes, at most.
    pub fn answer_bytes(&self, answer: &Buffered) -> usize {
        room(&answer.head.headers, &answer.body) + room(&answer.trailers, &Bytes::new()) + 256
    }

    /// An error.
    pub fn error(&self, error: &Error) -> Bytes {
        response_error(&self.id, &RpcError::from_error(error))
    }

    fn write(&self, head: &Head, body: &Bytes) -> Bytes {
        response(&self.id, room(&head.headers, body), |out| encode_response(head, body, out))
    }

    fn write_resumable(&self, head: &Head, whole: Option<&Buffered>) -> Bytes {
        let nothing = Bytes::new();
        let room = room(&head.headers, whole.map_or(&nothing, |answer| &answer.body)) + 256;
        response(&self.id, room, |out| encode_resumable_response(head, whole, out))
    }
}

fn room(headers: &[Header], body: &Bytes) -> usize {
    let headers: usize = headers.iter().map(|header| header.name.len() + header.value.len() + 32).sum();
    headers + body.len().div_ceil(3) * 4 + 64
}
