//! What servers say of logins: challenges, metadata, tokens.

use afield_mcp::fuzzing::login;
use url::{Host, Url};

/// What was sent to a token endpoint, and comes back in no text.
const SECRET: &str = "canary-of-a-login";

/// The first line is a server's challenge, the rest a document of its, taken for metadata of either kind and for tokens.
///
/// # Panics
///
/// When a login would ask, or show a person, a URL that leads from TLS to plain text, to loopback, to where clouds keep their
/// credentials, or to no HTTP at all; would send a token that is more than a header field's value; or would tell what it sent.
pub fn oauth_metadata(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let challenge = String::from_utf8_lossy(&data[..end]);
    let document = data.get(end + 1..).unwrap_or_default();
    let Some(login) = login("https://mcp.test/mcp", &challenge, document, SECRET) else { return };
    for url in &login.asked {
        let parsed = Url::parse(url).expect("what is asked is a URL");
        assert_eq!(parsed.scheme(), "https", "{url} is asked without TLS");
        assert!(parsed.username().is_empty() && parsed.password().is_none(), "{url} has userinfo");
        let is_near = match parsed.host().expect("it has a host") {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => {
                address.is_loopback() || address.is_unspecified() || address.is_link_local()
            }
            Host::Ipv6(address) => address.is_loopback() || address.is_unspecified(),
        };
        assert!(!is_near, "{url} is near");
    }
    let is_value = |token: &String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(login.token.as_ref().is_none_or(is_value), "a token that cannot be sent");
    for text in login.told.iter().chain(&login.told_of_sent) {
        let length = text.chars().count();
        assert!(length < 2000, "a text of {length} characters");
    }
    assert!(login.told_of_sent.is_none_or(|text| !text.contains(SECRET)), "a text that tells what was sent");
}
