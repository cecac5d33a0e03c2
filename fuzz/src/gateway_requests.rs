//! Request lines and header fields, as a gateway takes them.

use http::{Request, header::HeaderName};

const HOST: &str = "origin.test";

/// The first line of `data` is a method, a space and a target; each further one a field's name, a colon and its value. What is
/// no HTTP never comes so far.
///
/// # Panics
///
/// When a request is performed for a URL outside of its route, in the eyes of a URL parser or of a server that decodes
/// paths; or for a page of another origin, or one that does not say whose it is.
pub fn gateway_requests(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let Some(space) = first.iter().position(|byte| *byte == b' ') else { return };
    let (Ok(method), Ok(target)) =
        (std::str::from_utf8(&first[..space]), std::str::from_utf8(&first[space + 1..]))
    else {
        return;
    };
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    let Ok(request) = request.body(()) else { return };
    let values = |name: &str| -> Vec<String> {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("it is a name");
        let all = request.headers().get_all(name).iter();
        all.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase()).collect()
    };
    let (origins, sites, modes) = (values("origin"), values("sec-fetch-site"), values("sec-fetch-mode"));
    let hosts = values("host");
    let Some(url) = afield_gateway::fuzzing::performed_for(request, "http://origin.test/base") else {
        return;
    };

    let parsed = url::Url::parse(&url).expect("what is performed is a URL");
    assert_eq!(parsed.host_str(), Some(HOST), "{url}");
    let path = parsed.path();
    assert!(path == "/base" || path.starts_with("/base/"), "{url} leads out of its route");
    let decoded = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    assert!(
        decoded.split('/').all(|segment| !matches!(segment, "." | "..")),
        "{url} climbs where it is decoded"
    );
    assert_eq!(hosts.len(), 1, "one host was asked for");
    assert!(origins.iter().all(|origin| origin.contains("://")), "a page without an origin: {origins:?}");
    assert!(!origins.iter().any(|origin| origin.ends_with("evil.test")), "a foreign page: {origins:?}");
    let says_not = origins.is_empty() && sites.iter().any(|site| site == "cross-site" || site == "same-site");
    assert!(!says_not, "a page that does not say whose it is");
    let is_opened = modes.iter().any(|mode| mode == "navigate");
    assert!(!is_opened || hosts[0].starts_with("host.localhost"), "a page where all routes are one origin");
}
