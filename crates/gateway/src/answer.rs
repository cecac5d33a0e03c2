//! The origin's answer as the caller gets it.

use crate::{
    between::BetweenEvents,
    body::{Body, Relayed},
    headers,
    socket::Socket,
};
use afield_exchange::{Blame, Error, Head, Kind, Phase, Response, Retry};
use http::{
    HeaderValue, Method, StatusCode, Version,
    header::{CONTENT_LENGTH, TRAILER},
};
use hyper::ext::ReasonPhrase;

/// What of the request decides how its answer is framed.
pub(crate) struct Asked {
    pub method: Method,
    pub version: Version,
    /// Whether the caller takes trailers.
    pub trailers: bool,
}

/// The answer, with its body as it comes. `socket` is the caller's; `ending` says when a body of no end is to have one.
///
/// # Errors
///
/// A head that is not HTTP; a body that has to be empty and fails.
pub(crate) async fn of(
    response: Response,
    asked: &Asked,
    socket: &Socket,
    ending: Option<BetweenEvents>,
) -> Result<http::Response<Body>, Error> {
    let Response { head, mut body } = response;
    let not_http = || {
        let message = "the response head is not HTTP";
        Error::new(Kind::OriginProtocol, Blame::Executor, Retry::Unknown, message).with_phase(Phase::Head)
    };
    let status = StatusCode::from_u16(head.status).ok().filter(|status| !status.is_informational());
    let length = if status == Some(StatusCode::NO_CONTENT) { None } else { length(&head) };
    // Trailers come behind chunks.
    let trailers = asked.trailers && length.is_none() && asked.version == Version::HTTP_11;
    let (Some(status), Some(mut fields)) = (status, headers::of_response(&head.headers, trailers)) else {
        return Err(not_http());
    };
    if let Some(length) = length {
        fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let bodiless =
        asked.method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if bodiless || length == Some(0) {
        // Read to its end: dropped, it would count as given up.
        while let Some(bytes) = body.next().await {
            bytes?;
        }
        Body::None(length)
    } else {
        let ends_with_connection = length.is_none() && asked.version == Version::HTTP_10;
        let trailers = trailers && fields.contains_key(TRAILER);
        let reset = ends_with_connection.then(|| socket.clone());
        Body::Relayed(Box::new(Relayed::new(body, length, trailers, reset, ending)))
    };
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    let reason = head.reason.and_then(|reason| ReasonPhrase::try_from(reason).ok());
    let unnamed = status.canonical_reason().is_none().then(|| ReasonPhrase::from_static(b""));
    if let Some(reason) = reason.or(unnamed) {
        response.extensions_mut().insert(reason);
    }
    Ok(response)
}

/// The body's length, if the origin announced one and one only. Of a body in chunks the chunks are right
/// (RFC 9112, section 6.3).
fn length(head: &Head) -> Option<u64> {
    if head.header("transfer-encoding").is_some() {
        return None;
    }
    let fields = head.headers.iter().filter(|header| header.is(CONTENT_LENGTH.as_str()));
    let mut values = fields.flat_map(|header| header.value.split(|byte| *byte == b','));
    let number = |value: &[u8]| {
        let digits = value.trim_ascii();
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
    };
    let first: u64 = number(values.next()?)?;
    values.all(|value| number(value) == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::Header;

    /// Proves that a length is taken for one only where it is one beyond doubt.
    #[test]
    fn a_length_is_one_number_or_none() {
        for (fields, expected) in [
            (&[("content-length", "5")][..], Some(5)),
            (&[("Content-Length", "5"), ("content-length", "5, 5")], Some(5)),
            (&[("content-length", "5"), ("content-length", "6")], None),
            (&[("content-length", "+5")], None),
            (&[("content-length", "")], None),
            (&[("content-length", "99999999999999999999")], None),
            (&[("content-length", "5"), ("transfer-encoding", "chunked")], None),
            (&[], None),
        ] {
            let headers = fields.iter().map(|(name, value)| Header::new(*name, *value)).collect();
            assert_eq!(length(&Head::new(200, headers)), expected, "{fields:?}");
        }
    }
}
