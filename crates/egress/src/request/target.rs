use crate::policy::canonical::check_name;
use crate::policy::{Destination, Scheme};
use afield_exchange::{Blame, Error, Kind, Retry, detail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method};
use std::net::IpAddr;
use url::{Host, Position, Url};

/// Where one hop goes: a URL that has been checked and holds no userinfo.
pub(crate) struct Target {
    pub(crate) url: Url,
    pub(crate) scheme: Scheme,
    pub(crate) port: u16,
    /// The address, if the host is one. Read off the parsed host: the URL parser turns `127.1`, `0x7f.1`, full-width
    /// digits and many more into it.
    pub(crate) literal: Option<IpAddr>,
}

impl Target {
    /// Checks the caller's URL. The second part is the `Authorization` that its userinfo stands for.
    pub(crate) fn parse(text: &str, limit: usize) -> Result<(Self, Option<HeaderValue>), Error> {
        if text.len() > limit {
            let message = format!("the url is longer than {limit} bytes");
            return Err(
                Error::new(Kind::TooLarge, Blame::Caller, Retry::No, message).with_detail(detail::URL)
            );
        }
        if let Some(why) = refused_text(text) {
            return Err(invalid(why));
        }
        let scheme = scheme_of(text).ok_or_else(|| invalid("relative URL without a base"))?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(Error::invalid(detail::SCHEME, scheme.to_ascii_lowercase()));
        }
        let authority = &text[scheme.len()..];
        let Some(authority) = authority.strip_prefix("://") else {
            return Err(invalid("`://` is missing after the scheme"));
        };
        let authority = &authority[..authority.find(['/', '?', '#']).unwrap_or(authority.len())];
        if authority.contains('\\') {
            return Err(invalid("backslash before the path"));
        }
        if authority.is_empty() {
            return Err(invalid("empty host"));
        }
        let url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
        Self::check(url).map_err(invalid)
    }

    /// Checks a redirect's `Location`, which may be relative to this target. `None`: it is not to be followed.
    /// Credentials in it are ignored.
    pub(crate) fn redirect(&self, location: &[u8], limit: usize) -> Option<Self> {
        let text = std::str::from_utf8(location).ok()?;
        if text.is_empty() || text.len() > limit || refused_text(text).is_some() {
            return None;
        }
        if text[..text.find(['?', '#']).unwrap_or(text.len())].contains('\\') {
            return None;
        }
        let url = self.url.join(text).ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let (next, _) = Self::check(url).ok()?;
        let downgrade = self.scheme == Scheme::Https && next.scheme == Scheme::Http;
        (!downgrade).then_some(next)
    }

    fn check(mut url: Url) -> Result<(Self, Option<HeaderValue>), &'static str> {
        let scheme = if url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
        let literal = match url.host() {
            None => return Err("empty host"),
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(name)) => {
                check_name(name)?;
                None
            }
        };
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or("invalid port number")?;
        let authorization = take_userinfo(&mut url);
        if url.fragment().is_some() {
            url.set_fragment(None);
        }
        Ok((Self { url, scheme, port, literal }, authorization))
    }

    /// The host as the URL parser gives it, without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
    }

    /// The origin's serialization (RFC 6454, section 6.2).
    pub(crate) fn origin(&self) -> &str {
        &self.url[..Position::AfterPort]
    }

    /// The value of `Host`, which has no port that the scheme implies.
    pub(crate) fn host_field(&self) -> &str {
        &self.url[Position::BeforeHost..Position::AfterPort]
    }

    /// The host with its port, whatever the scheme.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.url.host_str().unwrap_or_default(), self.port)
    }

    /// The path with the query, as it is sent.
    pub(crate) fn path(&self) -> &str {
        &self.url[Position::BeforePath..]
    }

    /// The destination that the policy judges.
    pub(crate) fn destination<'a>(&'a self, method: &'a Method) -> Destination<'a> {
        Destination { scheme: self.scheme, host: self.host(), port: self.port, method: method.as_str() }
    }

    /// Whether both have the same origin (RFC 6454): scheme, host and port.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.port == other.port && self.url.host() == other.url.host()
    }

    /// The `Host` that this target means, in the form the HTTP client would send it.
    pub(crate) fn is_host(&self, value: &[u8]) -> bool {
        let host = self.url.host_str().unwrap_or_default().as_bytes();
        let Some(rest) = value.get(host.len()..).filter(|_| value[..host.len()].eq_ignore_ascii_case(host))
        else {
            return false;
        };
        match rest.strip_prefix(b":") {
            Some(port) => {
                std::str::from_utf8(port).ok().and_then(|port| port.parse().ok()) == Some(self.port)
            }
            None => rest.is_empty() && self.url.port().is_none(),
        }
    }
}

fn invalid(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid(detail::URL, why)
}

/// What a lenient parser would silently strip is refused: two parsers must not read two different URLs.
fn refused_text(text: &str) -> Option<&'static str> {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Some("control character");
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Some("leading or trailing space");
    }
    None
}

fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let mut bytes = scheme.bytes();
    let first = bytes.next()?.is_ascii_alphabetic();
    (first && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')))
        .then_some(scheme)
}

fn take_userinfo(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut credentials = percent_decoded(url.username());
    credentials.push(b':');
    credentials.extend(percent_decoded(url.password().unwrap_or_default()));
    // Both fail only for URLs that cannot have a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let hex =
        |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).map(|digit| digit as u8);
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}
