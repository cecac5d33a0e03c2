use crate::{
    json::{Text, parse_object},
    wire::{
        Encoder, decode_base64,
        fields::{bounded, check_final_status, response_fields},
        header::{WireHeader, encode_headers},
        reason::{decode_reason, encode_reason},
        timings::{decode_timings, encode_timings},
    },
};
use afield_exchange::{Buffered, Head};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    status: u16,
    #[serde(borrow)]
    reason: Option<Text<'a>>,
    #[serde(borrow)]
    reason_base64: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "bounded")]
    headers: Vec<WireHeader<'a>>,
    #[serde(borrow, default)]
    body_base64: Text<'a>,
    #[serde(default)]
    body_complete: bool,
    #[serde(borrow, default, deserialize_with = "bounded")]
    trailers: Vec<WireHeader<'a>>,
    #[serde(borrow)]
    timings: Option<&'a RawValue>,
}

/// What the result of `http/request` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The head, and the body and the trailer fields as far as they came with it.
    pub response: Buffered,
    /// Whether that is all, as it may be in afield/1.
    pub is_complete: bool,
}

/// Decodes the result of `http/request`.
///
/// # Errors
///
/// What is wrong with it, in words that quote nothing: it is of another shape, or its head is none that an HTTP library
/// would have let through.
pub fn decode_response(result: &str) -> Result<Answer, &'static str> {
    let wire: Wire<'_> = parse_object(result).map_err(|_| "a shape that is not the protocol's")?;
    let reason = decode_reason(wire.reason, wire.reason_base64).ok_or("a reason phrase that is none")?;
    let head = Head::new(check_final_status(wire.status)?, response_fields(wire.headers)?)
        .with_reason(reason)
        .with_timings(wire.timings.and_then(|json| decode_timings(json.get())).map(Box::new));
    let body = decode_base64(&wire.body_base64).ok_or("a body that is no base64")?;
    let response = Buffered::new(head, body).with_trailers(response_fields(wire.trailers)?);
    Ok(Answer { response, is_complete: wire.body_complete })
}

/// Writes the result of `http/request` in the base dialect, which has neither reason phrases nor trailers.
pub fn encode_response(head: &Head, body: &Bytes, out: &mut Encoder) {
    out.raw(b"{\"status\":");
    out.number(head.status.into());
    out.raw(b",\"headers\":");
    encode_headers(&head.headers, out);
    out.raw(b",\"bodyBase64\":");
    out.base64(body);
    out.raw(b"}");
}

/// Writes the result of `http/request` in afield/1. Its body and its trailers follow it, unless they are there `whole`.
pub(crate) fn encode_resumable_response(head: &Head, whole: Option<&Buffered>, out: &mut Encoder) {
    out.raw(b"{\"status\":");
    out.number(head.status.into());
    encode_reason(head.reason.as_ref(), out);
    out.raw(b",\"headers\":");
    encode_headers(&head.headers, out);
    if let Some(timings) = &head.timings {
        out.raw(b",\"timings\":");
        out.json(&encode_timings(timings));
    }
    out.raw(b",\"bodyBase64\":");
    out.base64(whole.map_or(&[], |answer| &answer.body));
    if let Some(Buffered { trailers, .. }) = whole {
        out.raw(b",\"bodyComplete\":true");
        if !trailers.is_empty() {
            out.raw(b",\"trailers\":");
            encode_headers(trailers, out);
        }
    }
    out.raw(b"}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::{Header, HttpVersion, Timings};
    use std::time::Duration;

    /// Proves that a response survives writing and reading, with header values that are not UTF-8, and that a peer
    /// that knows only `value` still sees them as Latin-1.
    #[test]
    fn a_response_comes_back_as_it_was() {
        let head = Head::new(299, vec![Header::new("a", "b"), Header::new("a", &b"caf\xe9"[..])]);
        let body = Bytes::from_static(&[0, 1, 255]);
        let mut out = Encoder::default();
        encode_response(&head, &body, &mut out);
        let text = out.finish();
        let text = std::str::from_utf8(&text).unwrap();
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(json["headers"][1]["value"], "caf\u{e9}");
        let response = Buffered::new(head, body);
        assert_eq!(decode_response(text), Ok(Answer { response, is_complete: false }));
    }

    /// Proves that in afield/1 reason phrase, trailers and timings survive too, and that base writes none of them.
    #[test]
    fn in_afield_1_a_response_comes_back_with_all_of_http() {
        let mut timings = Timings::default();
        timings.http_version = Some(HttpVersion::Http2);
        timings.remote_address = Some("::1".parse().unwrap());
        timings.remote_port = Some(443);
        (timings.connections, timings.redirects) = (2, 1);
        timings.redirect = Duration::from_micros(1500);
        timings.resolved = Some(Duration::ZERO);
        timings.connected = Some(Duration::from_micros(7));
        timings.secured = Some(Duration::from_micros(8));
        timings.ready = Some(Duration::from_micros(9));
        timings.head = Some(Duration::from_secs(3));
        let head = Head::new(200, vec![])
            .with_reason(Some(Bytes::from_static(b"caf\xe9")))
            .with_timings(Some(Box::new(timings)));
        let response = Buffered::new(head, "b".into()).with_trailers(vec![Header::new("t", &b"\xff"[..])]);
        let mut out = Encoder::default();
        encode_resumable_response(&response.head, Some(&response), &mut out);
        let text = out.finish();
        let decoded = decode_response(std::str::from_utf8(&text).unwrap());
        assert_eq!(decoded, Ok(Answer { response: response.clone(), is_complete: true }));
        let mut out = Encoder::default();
        encode_response(&response.head, &response.body, &mut out);
        assert_eq!(&out.finish()[..], br#"{"status":200,"headers":[],"bodyBase64":"Yg=="}"#);
    }

    /// Proves that timings of another shape are as none, and that a reason phrase which is none is told.
    #[test]
    fn timings_that_cannot_be_read_are_none() {
        for timings in ["7", "[]", r#"{"redirects":"x"}"#, "null"] {
            let answer = decode_response(&format!(r#"{{"status":200,"timings":{timings}}}"#)).unwrap();
            assert_eq!(answer.response.head.timings, None, "{timings}");
        }
        let later = r#"{"status":200,"timings":{"httpVersion":"9","later":[],"headUs":5}}"#;
        let timings = decode_response(later).unwrap().response.head.timings.unwrap();
        assert_eq!((timings.http_version, timings.head), (None, Some(Duration::from_micros(5))));
        assert!(decode_response("{\"status\":200,\"reason\":\"a\\rb\"}").is_err());
    }

    fn decode(status: &str, headers: &str) -> Result<Answer, &'static str> {
        decode_response(&format!(r#"{{"status":{status},"headers":{headers},"bodyBase64":""}}"#))
    }

    /// Proves that a head which no HTTP library would have handed on is refused, for its status, its fields or their
    /// number and size (case 162).
    #[test]
    fn response_head_that_is_not_http_is_refused() {
        let header =
            |name: &str, value: &str| serde_json::json!([{"name": name, "value": value}]).to_string();
        for status in
            ["0", "99", "100", "101", "199", "1000", "65535", "65536", "-1", "2e2", "\"200\"", "null"]
        {
            assert!(decode(status, "[]").is_err(), "{status}");
        }
        for status in ["200", "204", "599", "600", "999"] {
            assert!(decode(status, "[]").is_ok(), "{status}");
        }
        for (name, value) in [
            ("", "v"),
            ("a b", "v"),
            ("a:", "v"),
            ("a\r\nb", "v"),
            ("\u{e9}", "v"),
            ("a", "x\r\ny: z"),
            ("a", "\n"),
            ("a", "\0"),
            ("a", "\u{1b}[2J"),
            ("a", "\u{7f}"),
            (&"n".repeat(65_536), "v"),
        ] {
            assert!(decode("200", &header(name, value)).is_err(), "{name:?} {value:?}");
        }
        // What the text says and what the exact bytes say are held to the same.
        assert!(decode("200", r#"[{"name":"a","value":"v","valueBase64":"Gw=="}]"#).is_err());
        assert!(decode("200", r#"[{"name":"a","value":"v","valueBase64":"!"}]"#).is_err());
        for (name, value) in [("a", ""), ("A-b", "\tx \u{e9}"), (&"n".repeat(65_535), "v")] {
            assert!(decode("200", &header(name, value)).is_ok(), "{name:?} {value:?}");
        }
        let many = |fields: usize, value: &str| {
            let field = format!(r#"{{"name":"a","value":"{value}"}}"#);
            format!("[{}]", vec![field; fields].join(","))
        };
        assert!(decode("200", &many(4096, "")).is_ok());
        assert!(decode("200", &many(4097, "")).is_err());
        assert!(decode("200", &many(4096, &"v".repeat(1023))).is_ok(), "4 MiB");
        assert!(decode("200", &many(4096, &"v".repeat(1024))).is_err(), "more");
    }

    /// Proves that what only a request's fields can have does not come in with a response's, and that names are in lower
    /// case.
    #[test]
    fn response_fields_are_names_and_values_alone() {
        let answer = decode(
            "200",
            r#"[{"name":"X-A","value":"v","valueEnvVar":"HOME"},{"name":"b","value":"","valueSecret":"s"}]"#,
        )
        .unwrap();
        assert_eq!(answer.response.head.headers, [Header::new("x-a", "v"), Header::new("b", "")]);
    }
}
