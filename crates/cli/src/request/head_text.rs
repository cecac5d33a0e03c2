use afield_exchange::{Head, Header, HttpVersion};

/// The heads of an exchange as text for `--include` and `--dump-header`: the informational ones, then the final one.
pub(crate) fn heads_text(informational: &[Head], head: &Head) -> Vec<u8> {
    let version = version(head);
    let mut text = Vec::new();
    for head in informational.iter().chain([head]) {
        text.extend_from_slice(&status_line(version.unwrap_or("HTTP/1.1"), head));
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(&fields_text(&head.headers));
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// Header or trailer fields, each on a line.
pub(crate) fn fields_text(fields: &[Header]) -> Vec<u8> {
    let mut text = Vec::new();
    for field in fields {
        text.extend_from_slice(field.name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(&field.value);
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// The status line: with the origin's own phrase, or the one that RFC 9110 gives for the status. HTTP/2 has none.
pub(crate) fn status_line(version: &str, head: &Head) -> Vec<u8> {
    let usual = || http::StatusCode::from_u16(head.status).ok().and_then(|status| status.canonical_reason());
    let mut line = format!("{version} {} ", head.status).into_bytes();
    match &head.reason {
        Some(reason) => line.extend_from_slice(reason),
        None if version == HTTP_2 => {}
        None => line.extend_from_slice(usual().unwrap_or_default().as_bytes()),
    }
    line
}

const HTTP_2: &str = "HTTP/2";

/// The version of HTTP of the answer, where it is known.
pub(crate) fn version(head: &Head) -> Option<&'static str> {
    Some(match head.timings.as_ref()?.http_version? {
        HttpVersion::Http10 => "HTTP/1.0",
        HttpVersion::Http11 => "HTTP/1.1",
        HttpVersion::Http2 => HTTP_2,
        _ => return None,
    })
}
