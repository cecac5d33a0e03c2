//! Which redirects are followed, and how (RFC 9110, section 15.4).

use crate::request::headers::Scope;
use crate::request::target::Target;
use crate::secrets::{MARK, Sent, carries};
use afield_exchange::{Head, Header, Limits};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use memchr::memmem;

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

/// The next request of whoever follows redirects hop by hop, each hop a request of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Its method.
    pub method: String,
    /// Where it goes.
    pub url: String,
    /// Those of the fields that go along.
    pub headers: Vec<Header>,
    /// The body stays behind.
    pub lost_body: bool,
}

/// How redirects are followed hop by hop, beyond what an egress does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Following {
    /// After 301, 302 and 303: a `POST` stays one, with its body.
    pub keeps_post: [bool; 3],
    /// Credentials go along to other origins too.
    pub trusts: bool,
}

/// Says what an egress would have made of a redirect that it handed back because the request's streamed body was gone: the
/// URL to repeat the request at, with the same method and body, and which of its fields go along. Whoever can produce the
/// body again then follows as an egress does. `None`: this is no such redirect, and `head` is the answer.
pub fn repeated(method: &str, url: &str, headers: &[Header], head: &Head) -> Option<(String, Vec<Header>)> {
    let next = next(method, url, headers, head, Following::default())?;
    (!next.lost_body && next.method == method).then_some((next.url, next.headers))
}

/// Says what an egress makes of a redirect, for whoever follows by hand. `None`: `head` is the answer.
pub fn next(method: &str, url: &str, headers: &[Header], head: &Head, following: Following) -> Option<Next> {
    let status = StatusCode::from_u16(head.status).ok()?;
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let limit = Limits::default().url_bytes;
    let (from, authorization) = Target::parse(url, limit).ok()?;
    let mut locations = HeaderMap::new();
    for field in head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("location")) {
        // What an executor has taken a secret out of leads nowhere.
        if memmem::find(&field.value, MARK).is_some() {
            return None;
        }
        locations.append(header::LOCATION, HeaderValue::from_bytes(&field.value).ok()?);
    }
    let next = location(status, &locations, &from, limit, &[])?;
    let stays = method == Method::POST
        && matches!(status.as_u16(), 301..=303)
        && following.keeps_post[usize::from(status.as_u16() - 301)];
    let lost_body = !stays && becomes_get(status, &method);
    let crossed_origins = !following.trusts && !next.same_origin(&from);
    let scope = Scope { redirected: true, crossed_origins, lost_body };
    let keeps = |field: &&Header| {
        HeaderName::from_bytes(field.name.as_bytes()).is_ok_and(|name| scope.keeps(&name, field))
    };
    let mut kept: Vec<Header> = headers.iter().filter(keeps).cloned().collect();
    let says_who = kept.iter().any(|field| field.name.eq_ignore_ascii_case("authorization"));
    if let Some(authorization) = authorization.filter(|_| !crossed_origins && !says_who) {
        kept.push(Header::new("Authorization", authorization.as_bytes().to_vec()));
    }
    let method = if lost_body { Method::GET.to_string() } else { method.to_string() };
    Some(Next { method, url: next.url.into(), headers: kept, lost_body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(url: &str, method: &str, status: u16, locations: &[&str]) -> Option<(String, Vec<String>)> {
        let fields =
            [("authorization", "x"), ("Cookie", "x"), ("Content-Type", "x"), ("Host", "x"), ("X-Y", "x")];
        let fields: Vec<Header> = fields.iter().map(|(name, value)| Header::new(*name, *value)).collect();
        let head = locations.iter().map(|location| Header::new("Location", (*location).to_owned())).collect();
        let (url, kept) = repeated(method, url, &fields, &Head::new(status, head))?;
        Some((url, kept.into_iter().map(|field| field.name).collect()))
    }

    /// Proves that a redirect is followed by hand as an egress follows it: where it leads, what goes along, and which are
    /// not followed (case 135).
    #[test]
    fn redirect_by_hand_is_as_by_egress() {
        let all = ["authorization", "Cookie", "Content-Type", "X-Y"];
        let (url, kept) = ask("http://a.test/one/two?q", "PUT", 307, &["../three"]).unwrap();
        assert_eq!((&url[..], &kept[..]), ("http://a.test/three", &all.map(str::to_owned)[..]));
        for (method, status) in [("POST", 308), ("PUT", 301), ("PUT", 302), ("GET", 303)] {
            let (url, kept) = ask("https://a.test/", method, status, &["https://b.test/x"]).unwrap();
            assert_eq!((&url[..], &kept[..]), ("https://b.test/x", &["Content-Type".to_owned()][..]));
        }
        for (url, method, status, locations) in [
            ("http://a.test/", "POST", 301, &["/x"][..]),
            ("http://a.test/", "PUT", 303, &["/x"]),
            ("http://a.test/", "PUT", 300, &["/x"]),
            ("http://a.test/", "PUT", 200, &["/x"]),
            ("http://a.test/", "PUT", 307, &[]),
            ("http://a.test/", "PUT", 307, &["/x", "/x"]),
            ("http://a.test/", "PUT", 307, &["/x?key=[redacted]"]),
            ("http://a.test/", "PUT", 307, &["ftp://b.test/x"]),
            ("https://a.test/", "PUT", 307, &["http://a.test/x"]),
        ] {
            assert_eq!(ask(url, method, status, locations), None, "{url} {method} {status} {locations:?}");
        }
    }

    /// Proves that the credentials of a URL stay with its origin, and give way to a field.
    #[test]
    fn credentials_of_url_stay_with_origin() {
        let head = |to: &str| Head::new(307, vec![Header::new("location", to.to_owned())]);
        let url = "http://user:pass@a.test/";
        let (next, kept) = repeated("PUT", url, &[], &head("/x")).unwrap();
        assert_eq!((&next[..], &kept[0].value[..]), ("http://a.test/x", &b"Basic dXNlcjpwYXNz"[..]));
        assert!(repeated("PUT", url, &[], &head("http://b.test/")).unwrap().1.is_empty());
        let own = [Header::new("authorization", "own")];
        assert_eq!(repeated("PUT", url, &own, &head("/x")).unwrap().1, own);
    }
}
