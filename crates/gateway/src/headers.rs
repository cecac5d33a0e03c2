//! Which header fields go on, and which concern one connection alone (RFC 9110, section 7.6.1).
//!
//! | field | request | response |
//! |---|---|---|
//! | `Connection`, and the fields it names | dropped | dropped |
//! | `Keep-Alive`, `Transfer-Encoding`, `Upgrade`, `HTTP2-Settings`, `Proxy-Connection` | dropped | dropped |
//! | `TE` | `trailers` is kept, the rest dropped | dropped |
//! | `Trailer` | kept | kept, where trailers can be sent to the caller |
//! | `Proxy-Authorization`, `Proxy-Authenticate`, `Proxy-Authentication-Info` | dropped | dropped |
//! | `Host`, `Content-Length` | made anew for the server | `Content-Length` kept, where it is the body's length |
//! | `Afield-Gateway-Token` | dropped | kept |
//! | everything else | kept, byte for byte | kept, byte for byte |
//!
//! Fields of one name keep their order; names go out in lower case.

use crate::access::TOKEN;
use afield_exchange::Header;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};

/// A request's fields for the server.
pub(crate) fn of_request(headers: &HeaderMap) -> Vec<Header> {
    let named = named(headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes));
    let goes_on = |(name, _): &(&HeaderName, &HeaderValue)| {
        let ours = [HOST, CONTENT_LENGTH].contains(name) || **name == TOKEN;
        !ours && !is_of_connection(name) && !named.contains(name)
    };
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        Header::new(name.as_str(), Bytes::copy_from_slice(value.as_bytes()))
    };
    let trailers = wants_trailers(headers).then(|| Header::new(TE.as_str(), "trailers"));
    headers.iter().filter(goes_on).map(header).chain(trailers).collect()
}

/// A response's fields for the caller, but for `Content-Length`. `None`: they are not such as HTTP has. `trailers`: the
/// caller takes trailers, so that it may be told which come.
pub(crate) fn of_response(headers: &[Header], trailers: bool) -> Option<HeaderMap> {
    let connection = headers.iter().filter(|header| header.is(CONNECTION.as_str()));
    let named = named(connection.map(|header| &header.value[..]));
    let mut map = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        let untold = name == TRAILER && !trailers;
        if untold || name == CONTENT_LENGTH || is_of_connection(&name) || named.contains(&name) {
            continue;
        }
        let value = HeaderValue::from_maybe_shared(header.value.clone()).ok()?;
        map.try_append(name, value).ok()?;
    }
    Some(map)
}

fn is_of_connection(name: &HeaderName) -> bool {
    [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE].contains(name)
        || matches!(
            name.as_str(),
            "keep-alive" | "proxy-connection" | "proxy-authentication-info" | "http2-settings"
        )
}

/// Trailer fields for whoever gets them: those that may be any (RFC 9110, section 6.5.1). What is not HTTP is dropped.
pub(crate) fn of_trailers(fields: &[Header]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(field.value.clone());
        if let (Ok(name), Ok(value)) = (name, value)
            && !is_of_connection(&name)
        {
            let _ = map.try_append(name, value);
        }
    }
    map
}

/// A caller's trailer fields for the server.
pub(crate) fn trailers(map: &HeaderMap) -> Vec<Header> {
    let fields = map.iter().filter(|(name, _)| !is_of_connection(name));
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        Header::new(name.as_str(), Bytes::copy_from_slice(value.as_bytes()))
    };
    fields.map(header).collect()
}

/// Whether the caller takes trailers.
pub(crate) fn wants_trailers(headers: &HeaderMap) -> bool {
    has_word(headers, &TE, b"trailers")
}

/// Whether the caller waits to be asked for its body.
pub(crate) fn expects_continue(headers: &HeaderMap) -> bool {
    has_word(headers, &EXPECT, b"100-continue")
}

fn has_word(headers: &HeaderMap, name: &HeaderName, word: &[u8]) -> bool {
    let values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    values
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|one| one.trim_ascii().eq_ignore_ascii_case(word))
}

/// The fields that `Connection` names.
fn named<'a>(connection: impl Iterator<Item = &'a [u8]>) -> Vec<HeaderName> {
    let words = connection.flat_map(|value| value.split(|byte| *byte == b','));
    words.filter_map(|word| HeaderName::from_bytes(word.trim_ascii()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a response's fields keep their bytes and the order of their repeats, and that what `Connection` names
    /// goes with it, in any case and over several lines.
    #[test]
    fn what_concerns_the_connection_stays_behind() {
        let fields: &[(&str, &[u8])] = &[
            ("set-cookie", b"a=\xff"),
            ("Connection", b"close, X-Secret"),
            ("connection", b"x-other"),
            ("x-secret", b"1"),
            ("X-Other", b"2"),
            ("x-kept", b""),
            ("www-authenticate", b"Bearer resource_metadata=\"http://h/\""),
            ("keep-alive", b"timeout=5"),
            ("transfer-encoding", b"chunked"),
            ("set-cookie", b"b"),
        ];
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| Header::new(*name, Bytes::from_static(value))).collect();
        let map = of_response(&fields, false).unwrap();
        let cookies: Vec<_> = map.get_all("set-cookie").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(cookies, [&b"a=\xff"[..], b"b"]);
        let names: Vec<_> = map.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["set-cookie", "x-kept", "www-authenticate"]);
    }

    /// Proves that a head which is not HTTP is told, and not passed on in part.
    #[test]
    fn a_head_that_is_not_http_is_told() {
        for header in [Header::new("a b", "x"), Header::new("a", "x\r\ny: z")] {
            assert_eq!(of_response(&[header], false), None);
        }
    }
}
