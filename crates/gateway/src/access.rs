//! Who may use the gateway.

use crate::{
    config::Config,
    host::{Host, name},
    listener::{Entrance, Listener},
    refusal::Refusal,
    route::{OwnOrigin, Route},
    token::TokenDigest,
};
use afield_exchange::{Blame, Error, Kind, Retry};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{HOST, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION},
};

/// The field that carries the gateway's token to a route.
pub(crate) static TOKEN: HeaderName = HeaderName::from_static("afield-gateway-token");

static SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Lets requests in or refuses them.
pub(crate) struct Access {
    hosts: Vec<String>,
    origins: Vec<String>,
    /// Whether any address may stand in `Host`: nobody can make an address lead elsewhere.
    any_address: bool,
    token: Option<TokenDigest>,
    /// Routes that are an origin of their own, and their host or port.
    own: Vec<(String, OwnOrigin)>,
}

impl Access {
    pub fn new(config: &Config) -> Self {
        let origin = |text: &String| text.trim_end_matches('/').to_ascii_lowercase();
        Self {
            hosts: config.allowed_hosts.iter().map(|text| name(text)).collect(),
            origins: config.allowed_origins.iter().map(origin).collect(),
            any_address: !config.listen.ip().is_loopback(),
            token: config.token.clone(),
            own: (config.routes.iter())
                .filter_map(|route| Some((route.name().to_owned(), route.own()?.clone())))
                .collect(),
        }
    }

    /// Says which listeners were bound: a route's own may be on any free port.
    pub fn listens(&mut self, listeners: &[(Listener, Entrance)]) {
        for (name, own) in &mut self.own {
            let found =
                listeners.iter().find(|(_, entrance)| *entrance == Entrance::Route(name.as_str().into()));
            if let (OwnOrigin::Listener(address), Some((listener, _))) = (own, found) {
                *address = listener.address();
            }
        }
    }

    /// Refuses a request that reached this listener by a name that is not the gateway's (DNS rebinding).
    ///
    /// `own` is the route whose own host or listener it came to.
    pub fn check_host(&self, headers: &HeaderMap, own: Option<&Route>) -> Result<(), Refusal> {
        let malformed = || {
            let message = "send one Host header of the form name, name:port, address or address:port";
            refused(StatusCode::BAD_REQUEST, Kind::InvalidRequest, "host", message)
        };
        let host = only(headers, &HOST).and_then(|value| Host::of_authority(value.as_bytes()));
        let allowed = match host.ok_or_else(malformed)? {
            host if host.is_loopback() => true,
            Host::Address(_) => self.any_address,
            Host::Name(name) => {
                self.hosts.contains(&name) || own.is_some_and(|route| route.own_host() == Some(&name))
            }
        };
        match allowed {
            true => Ok(()),
            false => {
                let message =
                    "address the gateway by its IP address, as localhost, or by a name it was told to allow";
                Err(refused(StatusCode::FORBIDDEN, Kind::PolicyDenied, "host", message))
            }
        }
    }

    /// Refuses a web page, unless it is one of this machine's or allowed by name. The pages of a route that is an origin of its
    /// own are that route's alone.
    pub fn check_origin(&self, headers: &HeaderMap, own: Option<&Route>) -> Result<(), Refusal> {
        let known = |origin: &HeaderValue| {
            let is_allowed = |text: &str| self.origins.contains(&text.to_ascii_lowercase());
            if let Some(of) = self.route_of(origin) {
                return own.is_some_and(|route| route.name() == of);
            }
            Host::of_origin(origin.as_bytes()).is_some_and(|host| host.is_loopback())
                || origin.to_str().is_ok_and(is_allowed)
        };
        match headers.get_all(ORIGIN).iter().all(known) {
            true => Ok(()),
            false => {
                let message =
                    "only pages of this machine may use the gateway, and origins it was told to allow";
                Err(refused(StatusCode::FORBIDDEN, Kind::PolicyDenied, "origin", message))
            }
        }
    }

    /// The route that has this origin to itself.
    fn route_of(&self, origin: &HeaderValue) -> Option<&str> {
        let host = Host::of_origin(origin.as_bytes())?;
        let port =
            origin.to_str().ok()?.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80);
        let is_of = |own: &OwnOrigin| match own {
            OwnOrigin::Host(name) => host == Host::Name(name.clone()),
            OwnOrigin::Listener(address) => {
                address.port() == port && !matches!(host, Host::Name(ref name) if name != "localhost")
            }
        };
        self.own.iter().find(|(_, own)| is_of(own)).map(|(name, _)| name.as_str())
    }

    /// Refuses what a browser does for a page without saying which (an image, a form, a link), and, where `pages` is not
    /// set, what it would open as a page of this origin (W3C, Fetch Metadata Request Headers).
    ///
    /// A request with an `Origin` has been judged by that. Programs that are no browsers send none of these fields.
    pub fn check_fetch(&self, headers: &HeaderMap, pages: bool) -> Result<(), Refusal> {
        let is = |name: &HeaderName, words: &[&[u8]]| {
            headers.get_all(name).iter().any(|value| {
                words.iter().any(|word| word.eq_ignore_ascii_case(value.as_bytes().trim_ascii()))
            })
        };
        let is_own =
            |value: &HeaderValue| [&b"same-origin"[..], b"none"].contains(&value.as_bytes().trim_ascii());
        if !headers.get_all(&SITE).iter().all(is_own) && !headers.contains_key(&ORIGIN) {
            let message = "a browser asks for a page that does not say whose it is: only pages of this machine may use \
                           the gateway, and origins it was told to allow, by fetch";
            return Err(refused(StatusCode::FORBIDDEN, Kind::PolicyDenied, "origin", message));
        }
        if !pages && is(&MODE, &[b"navigate", b"nested-navigate"]) {
            let message = "a browser would open this as a page, and the pages of all routes would be of one origin and could \
                           read each other: give the route a host or a listener of its own (route_host, route_listen)";
            return Err(refused(StatusCode::FORBIDDEN, Kind::PolicyDenied, "navigate", message));
        }
        Ok(())
    }

    /// Refuses who does not present the token, where there is one. The status is 407, for 401 is the origin's.
    pub fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.token else { return Ok(()) };
        let message = match presented(headers) {
            Some(presented) if token.accepts(&presented) => return Ok(()),
            Some(_) => "the token is not this gateway's",
            None => {
                "send the gateway's token in the header Afield-Gateway-Token, or as the password of the proxy"
            }
        };
        let challenge = HeaderValue::from_static("Basic realm=\"afield gateway\"");
        Err(refused(StatusCode::PROXY_AUTHENTICATION_REQUIRED, Kind::Unauthorized, "token", message)
            .with(PROXY_AUTHENTICATE, challenge))
    }
}

fn refused(status: StatusCode, kind: Kind, detail: &'static str, message: &'static str) -> Refusal {
    Refusal::new(status, Error::new(kind, Blame::Caller, Retry::No, message).with_detail(detail))
}

/// The token that the caller presents: in the gateway's own field, or to the proxy.
fn presented(headers: &HeaderMap) -> Option<String> {
    if let Some(token) = headers.get(&TOKEN) {
        return Some(token.to_str().ok()?.to_owned());
    }
    let (scheme, rest) = only(headers, &PROXY_AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    // `http://TOKEN@127.0.0.1:7412` means the same as `http://any:TOKEN@127.0.0.1:7412`.
    match pair.split_once(':') {
        Some((user, "")) => Some(user.to_owned()),
        Some((_, password)) => Some(password.to_owned()),
        None => Some(pair),
    }
}

/// The value of a field that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}
