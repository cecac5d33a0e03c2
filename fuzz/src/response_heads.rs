//! Response heads as an origin wrote them, and what of them reaches the caller.

use afield_egress::fuzz::response;
use afield_exchange::Limits;

/// Small limits, so that mutated inputs reach them.
fn limits() -> Limits {
    Limits {
        response_header_count: 8,
        response_headers_bytes: 256,
        informational_responses: 3,
        ..Limits::default()
    }
}

/// Takes the bytes that an origin answers with. Panics if what a caller would see of them breaks a promise.
pub fn response_heads(data: &[u8]) {
    let limits = limits();
    let Some((head, informational)) = response(data, &limits) else { return };
    assert!((200..=999).contains(&head.status), "status {}", head.status);
    assert!(informational <= limits.informational_responses, "{informational} informational responses");
    assert!(head.headers.len() <= limits.response_header_count, "too many fields got past the limit");
    let bytes: usize = head.headers.iter().map(|field| field.name.len() + field.value.len()).sum();
    assert!(bytes <= limits.response_headers_bytes, "too many bytes got past the limit");
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    for field in &head.headers {
        let name = field.name.as_bytes();
        assert!(!name.is_empty() && name.iter().all(|byte| is_token(*byte)), "{:?} is a name", field.name);
        assert!(!name.iter().any(u8::is_ascii_uppercase), "{:?} is not in lower case", field.name);
        let is_clean = field.value.iter().all(|byte| !matches!(byte, b'\r' | b'\n' | 0 | 0x7f));
        assert!(is_clean, "{} smuggles a control character", field.name);
    }
    let reason = head.reason.unwrap_or_default();
    assert!(reason.iter().all(|byte| !matches!(byte, b'\r' | b'\n' | 0)), "the reason phrase smuggles one");
}
