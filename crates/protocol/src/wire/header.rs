use crate::{
    json::Text,
    wire::{Encoder, decode_base64},
};
use afield_exchange::{Error, Header, detail};
use bytes::Bytes;
use serde::Deserialize;
use std::borrow::Cow;

/// A header field as the wire has it: `{name, value, valueBase64?, valueEnvVar?, valueSecret?}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireHeader<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub value: Text<'a>,
    #[serde(borrow)]
    pub value_base64: Option<Text<'a>>,
    #[serde(borrow)]
    pub value_env_var: Option<Text<'a>>,
    #[serde(borrow)]
    pub value_secret: Option<Text<'a>>,
}

impl WireHeader<'_> {
    /// The header with its exact bytes: `valueBase64` where there is one, else the text's.
    pub fn into_header(self) -> Result<Header, Error> {
        if self.value_env_var.is_some() && self.value_secret.is_some() {
            let why = "valueEnvVar and valueSecret exclude each other";
            return Err(self.invalid(why));
        }
        let value = match &self.value_base64 {
            Some(text) => decode_base64(text)
                .ok_or_else(|| self.invalid("valueBase64 is not padded standard base64"))?,
            None => Bytes::copy_from_slice(self.value.as_bytes()),
        };
        Ok(Header {
            name: self.name.0.into_owned(),
            value,
            env_var: self.value_env_var.map(|variable| variable.0.into_owned()),
            secret: self.value_secret.map(|secret| secret.0.into_owned()),
        })
    }

    fn invalid(&self, why: &str) -> Error {
        let name: String = self.name.chars().take(64).collect();
        Error::invalid(detail::HEADER_VALUE, format!("{}: {why}", name.escape_debug()))
    }
}

/// Writes a list of headers. A value that is not UTF-8 is written as Latin-1 text and as exact bytes.
pub fn encode_headers(headers: &[Header], out: &mut Encoder) {
    out.raw(b"[");
    for (index, header) in headers.iter().enumerate() {
        out.raw(if index == 0 { b"{\"name\":" } else { b",{\"name\":" });
        out.string(&header.name);
        out.raw(b",\"value\":");
        match header.text() {
            Some(text) => out.string(text),
            None => {
                let latin1: Cow<'_, str> = header.value.iter().map(|byte| char::from(*byte)).collect();
                out.string(&latin1);
                out.raw(b",\"valueBase64\":");
                out.base64(&header.value);
            }
        }
        if let Some(variable) = &header.env_var {
            out.raw(b",\"valueEnvVar\":");
            out.string(variable);
        }
        if let Some(secret) = &header.secret {
            out.raw(b",\"valueSecret\":");
            out.string(secret);
        }
        out.raw(b"}");
    }
    out.raw(b"]");
}
