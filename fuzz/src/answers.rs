//! What an executor says, line by line, is held to what an HTTP library would have let through.

use afield_protocol::{
    client::{Inbound, decode, initialize_answer},
    resumable::BodyMessage,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Each line of `data` is one message of an executor's. Every part of it is looked into as a client would.
///
/// # Panics
///
/// When a head is taken that is none, or a text of a peer's is kept that is over its bound.
pub fn answers(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        let line = Bytes::copy_from_slice(line);
        let _ = BodyMessage::decode(&line);
        let _ = initialize_answer(decode(&line));
        match decode(&line) {
            Inbound::Response { result: Ok(raw), .. } => {
                let Ok(answer) = raw.into_answer() else { continue };
                let head = answer.response.head;
                let status = StatusCode::from_u16(head.status).expect("a status is one of HTTP's");
                assert!(!status.is_informational(), "an answer is final");
                let mut fields = HeaderMap::new();
                for header in &head.headers {
                    let name = HeaderName::from_bytes(header.name.as_bytes()).expect("a name is a token");
                    assert_eq!(name.as_str(), header.name, "a name is in lower case");
                    let value = HeaderValue::from_bytes(&header.value).expect("a value has no controls");
                    fields.try_append(name, value).expect("there are not too many fields");
                    assert!(header.env_var.is_none() && header.secret.is_none(), "a response has neither");
                }
            }
            Inbound::Response { result: Err(error), .. } => {
                let error = error.into_error();
                assert!(error.message().len() <= 4096 + '…'.len_utf8(), "a text has a bound");
                assert!(error.detail().is_none_or(|word| word.len() <= 64), "a detail is a word");
            }
            Inbound::Delta(delta) => {
                assert!(
                    delta.error.is_none_or(|text| text.len() <= 4096 + '…'.len_utf8()),
                    "a text has a bound"
                );
            }
            _ => {}
        }
    }
}
