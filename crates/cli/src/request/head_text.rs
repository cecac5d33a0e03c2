use afield_exchange::Head;

/// The head as text for `--include` and `--dump-header`.
///
/// An exchange carries neither the HTTP version nor the reason phrase, which mean nothing to a client (RFC 9112,
/// section 4): the line says HTTP/1.1 and the phrase that RFC 9110 gives for the status.
pub(crate) fn head_text(head: &Head) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(head.status).ok().and_then(|status| status.canonical_reason());
    let mut text = format!("HTTP/1.1 {} {}\r\n", head.status, reason.unwrap_or_default()).into_bytes();
    for header in &head.headers {
        text.extend_from_slice(header.name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(&header.value);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}
