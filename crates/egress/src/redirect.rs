//! Which redirects are followed, and how (RFC 9110, section 15.4).

use crate::request::target::Target;
use http::{HeaderMap, Method, StatusCode, header};

/// Redirects that are followed at most.
pub(crate) const MAX_REDIRECTS: u32 = 10;

/// Where a response sends the request on to, if it does so in a way that is followed: a 3xx that redirects, with exactly
/// one usable `Location`.
pub(crate) fn location(
    status: StatusCode,
    headers: &HeaderMap,
    from: &Target,
    limit: usize,
) -> Option<Target> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let mut locations = headers.get_all(header::LOCATION).iter();
    match (locations.next(), locations.next()) {
        (Some(location), None) => from.redirect(location.as_bytes(), limit),
        _ => None,
    }
}

/// Whether the request is repeated as a bodiless `GET`: after 303 whatever it was (but `HEAD` stays `HEAD`), and after 301
/// and 302 if it was a `POST`. Otherwise method and body are repeated.
pub(crate) fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        303 => *method != Method::GET && *method != Method::HEAD,
        301 | 302 => *method == Method::POST,
        _ => false,
    }
}
