//! Which redirects are followed, and how (RFC 9110, section 15.4).

use crate::request::target::Target;
use crate::secrets::{Sent, carries};
use http::{HeaderMap, Method, StatusCode, header};

/// Redirects that are followed at most.
pub(crate) const MAX_REDIRECTS: u32 = 10;

/// Where a response sends the request on to, if it does so in a way that is followed: a 3xx that redirects, with exactly
/// one usable `Location`, in which none of the secrets stands that were `sent`: an origin could have them carried to anybody,
/// as a host, a path or a query.
pub(crate) fn location(
    status: StatusCode,
    headers: &HeaderMap,
    from: &Target,
    limit: usize,
    sent: &[Sent],
) -> Option<Target> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let mut locations = headers.get_all(header::LOCATION).iter();
    match (locations.next(), locations.next()) {
        (Some(location), None) if !carries(location.as_bytes(), sent) => {
            let next = from.redirect(location.as_bytes(), limit);
            // What the URL parser makes of it may be the secret, where the text is not: full-width letters in a host.
            next.filter(|next| !carries(next.url.as_str().as_bytes(), sent))
        }
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
