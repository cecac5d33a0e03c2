use crate::{RpcError, json::RpcId, wire::encode_base64};
use bytes::Bytes;

/// Writes JSON by hand: a body goes from its bytes into the message once, with no copy between.
#[derive(Default)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// An encoder with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Appends JSON as it is.
    pub fn raw(&mut self, json: &[u8]) {
        self.0.extend_from_slice(json);
    }

    /// Appends a JSON string.
    pub fn string(&mut self, text: &str) {
        self.json(&text);
    }

    /// Appends a whole number.
    pub fn number(&mut self, number: u64) {
        self.json(&number);
    }

    /// Appends whatever `value` serialises to.
    pub fn json(&mut self, value: &impl serde::Serialize) {
        serde_json::to_writer(&mut self.0, value)
            .expect("a Vec takes every write and our types have string keys");
    }

    /// Appends bytes as a JSON string of base64.
    pub fn base64(&mut self, bytes: &[u8]) {
        self.0.push(b'"');
        encode_base64(bytes, &mut self.0);
        self.0.push(b'"');
    }

    /// Appends `,"name":number` if there is a number.
    pub fn optional_number(&mut self, name: &[u8], number: Option<u64>) {
        if let Some(number) = number {
            self.raw(name);
            self.number(number);
        }
    }

    /// What was written.
    pub fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// A request message; `params` writes its parameters.
pub fn request(id: &RpcId, method: &str, room: usize, params: impl FnOnce(&mut Encoder)) -> Bytes {
    let mut out = Encoder::with_capacity(room + 64);
    out.raw(b"{\"id\":");
    out.json(id);
    out.raw(b",\"method\":");
    out.string(method);
    out.raw(b",\"params\":");
    params(&mut out);
    out.raw(b"}");
    out.finish()
}

/// A notification; `params` writes its parameters.
pub fn notification(method: &str, room: usize, params: impl FnOnce(&mut Encoder)) -> Bytes {
    let mut out = Encoder::with_capacity(room + 64);
    out.raw(b"{\"method\":");
    out.string(method);
    out.raw(b",\"params\":");
    params(&mut out);
    out.raw(b"}");
    out.finish()
}

/// The answer to a request; `result` writes its result.
pub fn response(id: &RpcId, room: usize, result: impl FnOnce(&mut Encoder)) -> Bytes {
    let mut out = Encoder::with_capacity(room + 64);
    out.raw(b"{\"id\":");
    out.json(id);
    out.raw(b",\"result\":");
    result(&mut out);
    out.raw(b"}");
    out.finish()
}

/// The answer to a request that failed.
pub fn response_error(id: &RpcId, error: &RpcError) -> Bytes {
    let mut out = Encoder::with_capacity(256);
    out.raw(b"{\"id\":");
    out.json(id);
    out.raw(b",\"error\":");
    out.json(error);
    out.raw(b"}");
    out.finish()
}
