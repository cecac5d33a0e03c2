use afield_exchange::{Error, detail};
use http::Method;

/// The method, exactly as written. `CONNECT` and `TRACE` are refused in any case: the first asks for a tunnel, the second
/// echoes credentials (RFC 9110, sections 9.3.6 and 9.3.8).
pub(crate) fn check(method: &str) -> Result<Method, Error> {
    if method.eq_ignore_ascii_case("CONNECT") || method.eq_ignore_ascii_case("TRACE") {
        return Err(Error::invalid(detail::METHOD, format!("{method} is not supported")));
    }
    Method::from_bytes(method.as_bytes()).map_err(|_| {
        let shown: String = method.chars().take(64).flat_map(char::escape_debug).collect();
        Error::invalid(detail::METHOD, format!("\"{shown}\" is not a token"))
    })
}

/// Whether the method gives a meaning to content, so that having none is said with `Content-Length: 0`
/// (RFC 9110, section 8.6).
pub(crate) fn expects_content(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}
