use crate::{
    json::Text,
    wire::{
        Encoder,
        fields::{bounded, response_fields},
        header::{WireHeader, encode_headers},
        method, notification,
        reason::{decode_reason, encode_reason},
    },
};
use afield_exchange::Head;
use bytes::Bytes;
use serde::Deserialize;

/// The parameters of `http/request/informational`: an informational (1xx) response of the origin's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Informational {
    /// The request.
    pub request_id: u64,
    /// Its place among those of the request, from 1.
    pub seq: u64,
    /// Status 100, or 102 to 199.
    pub head: Head,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    request_id: u64,
    seq: u64,
    status: u16,
    #[serde(borrow)]
    reason: Option<Text<'a>>,
    #[serde(borrow)]
    reason_base64: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "bounded")]
    headers: Vec<WireHeader<'a>>,
}

impl Informational {
    /// Decodes the parameters; `None` where they are of another shape, or of a status that is not informational. (101 is
    /// no response to a request: it changes the protocol.)
    pub fn decode(params: &str) -> Option<Self> {
        let wire: Wire<'_> = serde_json::from_str(params).ok().filter(|_| params.starts_with('{'))?;
        if !matches!(wire.status, 100 | 102..=199) {
            return None;
        }
        let headers = response_fields(wire.headers).ok()?;
        let head =
            Head::new(wire.status, headers).with_reason(decode_reason(wire.reason, wire.reason_base64)?);
        Some(Self { request_id: wire.request_id, seq: wire.seq, head })
    }

    /// Writes the whole notification.
    pub fn encode(request_id: u64, seq: u64, head: &Head) -> Bytes {
        let room: usize = head.headers.iter().map(|h| h.name.len() + h.value.len() + 32).sum();
        notification(method::INFORMATIONAL, room + 64, |out: &mut Encoder| {
            out.raw(b"{\"requestId\":");
            out.number(request_id);
            out.raw(b",\"seq\":");
            out.number(seq);
            out.raw(b",\"status\":");
            out.number(head.status.into());
            encode_reason(head.reason.as_ref(), out);
            out.raw(b",\"headers\":");
            encode_headers(&head.headers, out);
            out.raw(b"}");
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Envelope, decode};
    use afield_exchange::Header;

    /// Proves that an informational response survives writing and reading, and that what is none is seen.
    #[test]
    fn an_informational_response_comes_back_as_it_was() {
        let head =
            Head::new(103, vec![Header::new("link", "</a>; rel=preload"), Header::new("x", &b"\xff"[..])])
                .with_reason(Some("Hints".into()));
        let text = Informational::encode(7, 2, &head);
        let Ok(Envelope::Notification { method, params: Some(params) }) =
            decode(std::str::from_utf8(&text).unwrap())
        else {
            panic!("not a notification");
        };
        assert_eq!(&*method, method::INFORMATIONAL);
        let decoded = Informational::decode(params.get());
        assert_eq!(decoded, Some(Informational { request_id: 7, seq: 2, head }));
        for other in [
            "[7,1,103]",
            r#"{"requestId":7,"seq":1,"status":101}"#,
            r#"{"requestId":7,"seq":1,"status":200}"#,
            r#"{"requestId":7,"status":103}"#,
            r#"{"requestId":7,"seq":1,"status":103,"reason":"a\nb"}"#,
        ] {
            assert_eq!(Informational::decode(other), None, "{other}");
        }
    }
}
