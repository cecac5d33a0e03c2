use crate::{
    RpcError,
    json::{Envelope, Malformed, RpcId, decode as decode_envelope, parse_object},
    resumable::Consumed,
    wire::{Answer, Delta, Informational, decode_response, method},
};
use afield_exchange::{Blame, Error, Kind, Phase, Retry, detail};
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
    /// Decodes the answer of a call: the head, what came with it, and, in afield/1, whether that is all.
    pub fn into_answer(self) -> Result<Answer, Error> {
        decode_response(self.text()).map_err(not_an_answer)
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
    /// `http/request/informational`, in afield/1, and how many bytes it is as a message.
    Informational(Informational, usize),
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

const WRONG_SHAPE: &str = "a shape that is not the protocol's";

/// The executor answered, but not with what the protocol has for an answer.
fn not_an_answer(why: &str) -> Error {
    let message = format!("the executor broke the protocol: its answer has {why}");
    Error::new(Kind::OriginProtocol, Blame::Executor, Retry::Unknown, message)
        .with_detail(detail::NOT_HTTP)
        .with_phase(Phase::Head)
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
        Ok(Envelope::Notification { method, params: Some(params) }) if &*method == method::INFORMATIONAL => {
            Informational::decode(params.get())
                .map_or(Inbound::Ignored, |informational| Inbound::Informational(informational, text.len()))
        }
        // An answer of the wrong shape still answers: whoever waits for it would wait for ever.
        Err(Malformed { answers: Some(id), .. }) => {
            Inbound::Response { id, result: Err(RpcError::from_error(&not_an_answer(WRONG_SHAPE))) }
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
