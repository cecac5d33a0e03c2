use crate::{
    RpcError,
    json::{Envelope, RpcId, decode as decode_envelope},
    wire::{Delta, method},
};
use bytes::Bytes;

/// A result that has not been looked into: it may hold a large body, so the task that asked for it decodes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(Bytes);

impl Raw {
    /// The JSON text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
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
    /// Anything else: ignored and counted.
    Ignored,
}

/// Decodes one message; `text` is valid UTF-8.
pub fn decode(text: &Bytes) -> Inbound {
    let Ok(shown) = std::str::from_utf8(text) else { return Inbound::Ignored };
    match decode_envelope(shown) {
        Ok(Envelope::Response { id: Some(id), result }) => {
            let result = result.map(|raw| Raw(text.slice_ref(raw.get().as_bytes())));
            Inbound::Response { id, result }
        }
        Ok(Envelope::Notification { method, params: Some(params) }) if &*method == method::BODY_DELTA => {
            Delta::decode(params).map_or(Inbound::Ignored, Inbound::Delta)
        }
        _ => Inbound::Ignored,
    }
}
