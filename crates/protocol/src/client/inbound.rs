use crate::{
    RpcError,
    json::{Envelope, Malformed, RpcId, decode as decode_envelope, parse_object},
    resumable::Consumed,
    wire::{Delta, decode_response, method},
};
use afield_exchange::{Blame, Error, Head, Kind, Retry};
use bytes::Bytes;
use serde::Deserialize;

/// A result that has not been looked into: it may hold a large body, so the task that asked for it decodes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(Bytes);

impl Raw {
    /// The JSON text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Raw {
    /// Decodes the answer of a call: the head, the body where it came with it, and, in afield/1, whether that is all of it.
    pub fn into_answer(self) -> Result<(Head, Bytes, bool), Error> {
        let (answer, complete) = decode_response(self.text()).ok_or_else(wrong_shape)?;
        Ok((answer.head, answer.body, complete))
    }
}

/// One message from an executor, decoded. Decoding needs no session, so it happens outside any lock.
#[derive(Debug)]
pub enum Inbound {
    /// The answer to a call.
    Response {
        /// The id of the call.
        id: RpcId,
        /// What became of it.
        result: Result<Raw, RpcError>,
    },
    /// A piece of a streamed body.
    Delta(Delta),
    /// `http/request/consumed`, in afield/1.
    Consumed(Consumed),
    /// A piece of this stream's body that cannot be read: the body can no longer be made whole.
    MalformedDelta {
        /// The stream.
        request_id: Box<str>,
    },
    /// Anything else: ignored and counted.
    Ignored,
}

/// What can be known of a delta that is otherwise of the wrong shape.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    request_id: Box<str>,
}

/// The executor answered, in words that are not of the protocol.
fn wrong_shape() -> Error {
    let message = "the executor's answer is not of the protocol's shape";
    Error::new(Kind::Internal, Blame::Executor, Retry::Unknown, message)
}

/// Decodes one message. What is not UTF-8 is ignored like anything else that is not of the protocol.
pub fn decode(text: &Bytes) -> Inbound {
    let Ok(shown) = std::str::from_utf8(text) else { return Inbound::Ignored };
    match decode_envelope(shown) {
        Ok(Envelope::Response { id: Some(id), result }) => {
            let result = result.map(|raw| Raw(text.slice_ref(raw.get().as_bytes())));
            Inbound::Response { id, result }
        }
        Ok(Envelope::Notification { method, params: Some(params) }) if &*method == method::BODY_DELTA => {
            Delta::decode(params).map_or_else(|| malformed_delta(params.get()), Inbound::Delta)
        }
        Ok(Envelope::Notification { method, params: Some(params) }) if &*method == method::CONSUMED => {
            parse_object(params.get()).map_or(Inbound::Ignored, Inbound::Consumed)
        }
        // An answer of the wrong shape still answers: whoever waits for it would wait for ever.
        Err(Malformed { answers: Some(id), .. }) => {
            Inbound::Response { id, result: Err(RpcError::from_error(&wrong_shape())) }
        }
        _ => Inbound::Ignored,
    }
}

fn malformed_delta(params: &str) -> Inbound {
    match parse_object(params) {
        Ok(Named { request_id }) => Inbound::MalformedDelta { request_id },
        Err(_) => Inbound::Ignored,
    }
}
