use super::{
    Inner,
    host::{AllowedHosts, HostVerdict},
};
use crate::access::{Arrival, Credentials, Grant, Unauthorized};
use afield_exchange::Permit;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
        SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
    },
};
use http_body_util::Full;
use std::borrow::Cow;
use tungstenite::handshake::derive_accept_key;

/// The header field that marks a refusal as the executor's own, with its reason in a word. What stands in front of an executor
/// answers 401, 403, 404, 503 too, and for a moment only; none of it has this field.
pub(crate) static REFUSAL: HeaderName = HeaderName::from_static("afield-refusal");

/// What nginx has to be told about WebSockets.
const NGINX: &str =
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"";

/// What a request gets.
pub(super) enum Verdict {
    Upgrade { accept: HeaderValue, grant: Grant, place: Option<Permit> },
    Probe { ready: bool },
    Refuse(Refusal),
}

/// An answer that is not an upgrade: a status and one sentence that says what to do.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) text: Cow<'static, str>,
    /// The field that came and should not have, or not like that: for the log and the audit.
    pub(super) came: Option<String>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

/// Judges a request: PROTOCOL section 1, RFC 6455 section 4.2.1.
pub(super) fn judge<B>(request: &Request<B>, arrival: &Arrival, acceptor: &Inner) -> Verdict {
    if request.uri().path() == "/readyz" && [Method::GET, Method::HEAD].contains(request.method()) {
        return Verdict::Probe { ready: acceptor.readiness.is_ready() };
    }
    let admitted = check_place(request, &acceptor.hosts)
        .and_then(|()| check_upgrade(request))
        .and_then(|accept| Ok((accept, authenticate(request.headers(), arrival, acceptor)?)))
        .and_then(|(accept, grant)| Ok((accept, place(&grant, acceptor)?, grant)));
    match admitted {
        Ok((accept, place, grant)) => Verdict::Upgrade { accept, grant, place },
        Err(refusal) => Verdict::Refuse(refusal),
    }
}

/// Who may ask at all: no browser, nobody led here by a name that is not ours, nobody in search of another path.
fn check_place<B>(request: &Request<B>, hosts: &AllowedHosts) -> Result<(), Refusal> {
    let headers = request.headers();
    if let Some(origin) = headers.get(ORIGIN) {
        let came = shown(&ORIGIN, origin);
        let text = format!(
            "Connect without an Origin header: no web page may use this executor. This request came with {came}. \
             If a proxy in front has added it, remove it there (nginx: proxy_set_header Origin \"\"; \
             HAProxy: http-request del-header Origin)."
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, "origin", text).came(came));
    }
    let Some(host) = only(headers, &HOST) else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "host", "Send exactly one Host header."));
    };
    match hosts.judge(host.as_bytes()) {
        HostVerdict::Allowed => {}
        HostVerdict::Malformed => {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "host",
                "Send a Host header of the form name, name:port, address or address:port.",
            ));
        }
        HostVerdict::NotAllowed => {
            let came = shown(&HOST, host);
            let text = format!(
                "Address this executor by IP address, as localhost, or by a name that its operator has allowed. This \
                 request came with {came}. If that is its name, allow it there (--allow-host, [serve] allowed_hosts); if a \
                 proxy in front has written it, pass on the client's (nginx: proxy_set_header Host $host)."
            );
            return Err(Refusal::new(StatusCode::FORBIDDEN, "host", text).came(came));
        }
    }
    if request.uri().authority().is_some() {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "path",
            "Ask for the path / and not for an absolute URL: this is no proxy.",
        ));
    }
    if request.uri().path() != "/" {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "path",
            "Connect to the path /; nothing else is served here but /readyz.",
        ));
    }
    match (request.uri().query(), headers.contains_key(AUTHORIZATION)) {
        (None, _) => Ok(()),
        (Some(_), true) => {
            Err(Refusal::new(StatusCode::BAD_REQUEST, "query", "Connect to / without a query string."))
        }
        (Some(_), false) => Err(Refusal::unauthorized(
            "query",
            "Connect to / without a query string and send the token in the header Authorization: Bearer; a token in a URL ends up in logs.",
        )),
    }
}

/// Whether this is an upgrade to WebSocket; yields the value of `Sec-WebSocket-Accept`.
fn check_upgrade<B>(request: &Request<B>) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    let meant = headers.contains_key(SEC_WEBSOCKET_KEY);
    if meant && request.version() != Version::HTTP_11 {
        let came = format!("{:?}", request.version());
        let text = format!(
            "{came} came: a proxy in front does not speak HTTP/1.1 with this executor. Have it do so, and pass the upgrade \
             on (nginx: {NGINX})."
        );
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "http_version", text).came(came));
    }
    if request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "method",
            "Open a WebSocket with an HTTP/1.1 GET request.",
        ));
    }
    if meant && (!lists(headers, &CONNECTION, "upgrade") || !lists(headers, &UPGRADE, "websocket")) {
        let value = |name| headers.get(name).map_or_else(|| format!("no {name}"), |value| shown(name, value));
        let came = format!("{}, {}", value(&CONNECTION), value(&UPGRADE));
        let text = format!(
            "This was a WebSocket's opening, and its Upgrade was lost on the way ({came} came): a proxy in front does not \
             pass it on. Have it do so (nginx: {NGINX}; Apache: ProxyPass with upgrade=websocket)."
        );
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, "upgrade_lost", text)
            .with(UPGRADE, HeaderValue::from_static("websocket"))
            .came(came));
    }
    if !lists(headers, &CONNECTION, "upgrade") || !lists(headers, &UPGRADE, "websocket") {
        return Err(Refusal::new(
            StatusCode::UPGRADE_REQUIRED,
            "not_websocket",
            "Open a WebSocket here: nothing else is served at this path.",
        )
        .with(UPGRADE, HeaderValue::from_static("websocket")));
    }
    if only(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, "version", "Use WebSocket version 13.")
            .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    match only(headers, &SEC_WEBSOCKET_KEY) {
        Some(key) if is_key(key.as_bytes()) => {
            let accept = derive_accept_key(key.as_bytes());
            Ok(HeaderValue::try_from(accept).expect("base64 is a legal header value"))
        }
        _ => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "key",
            "Send one Sec-WebSocket-Key header: 16 random bytes in base64.",
        )),
    }
}

/// Who the peer is. What it presents is looked at however many have failed where it comes from: behind one address there
/// may be many, and who has the right credential pays for nobody else.
fn authenticate(headers: &HeaderMap, arrival: &Arrival, acceptor: &Inner) -> Result<Grant, Refusal> {
    let credentials = Credentials { bearer: bearer(headers), arrival };
    acceptor.authenticate.authenticate(&credentials).map_err(|unauthorized| {
        if let Some(seconds) = acceptor.failures.fail(&arrival.peer) {
            return Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_failures",
                "Too many attempts from this address failed to authenticate, and this one too: come with the right credential, or later.",
            )
            .with(RETRY_AFTER, HeaderValue::from(seconds));
        }
        Refusal::unauthorized(
            unauthorized.code(),
            match unauthorized {
                Unauthorized::Missing => "Send this executor's token in one header Authorization: Bearer.",
                Unauthorized::Wrong | Unauthorized::Rejected(_) => {
                    "The token is not this executor's: check which one its operator gave out."
                }
                Unauthorized::Expired => "The credential has expired: get a new one.",
            },
        )
    })
}

/// A place among the connections of whoever it is.
fn place(grant: &Grant, acceptor: &Inner) -> Result<Option<Permit>, Refusal> {
    let Some(places) = &acceptor.options.places else { return Ok(None) };
    places(&grant.principal).map(Some).ok_or_else(|| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_connections",
            "You have all the connections to this executor that you may have: close some, or try again later.",
        )
        .with(RETRY_AFTER, HeaderValue::from(1))
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = only(headers, &AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether a comma-separated header lists `word`.
pub(crate) fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(word))
}

/// Whether this is base64 of 16 bytes.
fn is_key(key: &[u8]) -> bool {
    let Some((digits, b"==")) = key.split_at_checked(22) else { return false };
    digits.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// The longest value of a field that is repeated to whoever sent it.
const SHOWN: usize = 80;

/// A field as it came, fit for a message.
fn shown(name: &HeaderName, value: &HeaderValue) -> String {
    let value: String = String::from_utf8_lossy(value.as_bytes()).chars().take(SHOWN).collect();
    format!("{name}: {}", value.escape_debug())
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, text: text.into(), came: None, header: None }
    }

    fn came(mut self, came: String) -> Self {
        self.came = Some(came);
        self
    }

    fn unauthorized(code: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        let refusal = Self::new(StatusCode::UNAUTHORIZED, code, text);
        refusal.with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }
}

impl Verdict {
    /// The answer.
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        match self {
            Self::Upgrade { accept, .. } => {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_ACCEPT, accept.clone());
                response
            }
            Self::Probe { ready: true } => plain(StatusCode::OK, "ok"),
            Self::Probe { ready: false } => plain(StatusCode::SERVICE_UNAVAILABLE, "draining"),
            Self::Refuse(refusal) => {
                let mut response = plain(refusal.status, refusal.text.clone());
                response.headers_mut().insert(&REFUSAL, HeaderValue::from_static(refusal.code));
                if let Some((name, value)) = refusal.header.as_deref() {
                    response.headers_mut().insert(name, value.clone());
                }
                response
            }
        }
    }
}

/// Ends the connection by saying so: with keep-alive turned off, hyper would write `close` into the upgrade's own
/// `Connection` field too, and strict clients refuse `Upgrade, close`.
fn plain(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text.into().into_owned())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
