use super::{Address, DialConfig, DialError};
use crate::NetStream;
use crate::accept::{REFUSAL, lists};
use afield_exchange::redacted_url;
use bytes::{Bytes, BytesMut};
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, LOCATION, SEC_WEBSOCKET_ACCEPT,
        SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
        SET_COOKIE, UPGRADE, USER_AGENT,
    },
};
use http_body::Body;
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};
use tungstenite::handshake::{client::generate_key, derive_accept_key};

/// What we call ourselves.
pub(super) const OURSELVES: &str = concat!("afield/", env!("CARGO_PKG_VERSION"));

/// The most of a refusal's body that is kept.
const EXCERPT: usize = 1024;

/// The most a response head may take.
const HEAD_BYTES: usize = 64 * 1024;

/// The upgrade request (RFC 6455, section 4.1).
pub(super) fn request(address: &Address, config: &DialConfig) -> Result<Request<Empty<Bytes>>, DialError> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = address
        .target
        .parse()
        .map_err(|_| DialError::InvalidUrl("its path is not a request target".to_owned()))?;
    let host = HeaderValue::try_from(address.authority())
        .map_err(|_| DialError::InvalidUrl("its host cannot stand in a header".to_owned()))?;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(OURSELVES));
    headers.extend(config.headers.clone());
    headers.insert(HOST, host);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let key = HeaderValue::try_from(generate_key()).expect("base64 is a legal header value");
    headers.insert(SEC_WEBSOCKET_KEY, key);
    if let Some(token) = &config.token {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| DialError::InvalidToken)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(request)
}

/// Sends the request and takes the stream back, with what was read beyond the answer, and the cookies that it set.
pub(super) async fn upgrade(
    stream: NetStream,
    request: Request<Empty<Bytes>>,
) -> Result<(NetStream, BytesMut, Vec<String>), DialError> {
    let accept = derive_accept_key(request.headers()[SEC_WEBSOCKET_KEY].as_bytes());
    let (response, mut driver) = exchange(stream, request).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(response, &mut driver).await);
    }
    check(&response, &accept).map_err(|what| DialError::NotWebSocket(what.to_owned()))?;
    let cookies = cookies(&response);
    let (stream, read_ahead) = driver.into_stream().await;
    Ok((stream, read_ahead, cookies))
}

/// The most cookies that are kept.
const COOKIES: usize = 16;

/// The cookies that an answer sets, each as `name=value`. What else is said of them (a path, a time) concerns browsers.
fn cookies(response: &Response<Incoming>) -> Vec<String> {
    let set = response.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = set.filter_map(|text| text.split(';').next()).map(str::trim);
    pairs.filter(|pair| pair.contains('=')).map(str::to_owned).take(COOKIES).collect()
}

/// Sends a request and awaits the head of its answer.
pub(super) async fn exchange(
    stream: NetStream,
    request: Request<Empty<Bytes>>,
) -> Result<(Response<Incoming>, Driver), DialError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(not_websocket)?;
    let mut driver = Driver { connection, done: false };
    let response = {
        let mut response = pin!(sender.send_request(request));
        poll_fn(|cx| {
            driver.drive(cx);
            response.as_mut().poll(cx)
        })
        .await
        .map_err(not_websocket)?
    };
    Ok((response, driver))
}

/// RFC 6455, section 4.1: what the answer has to hold, and what it may not hold as it was not asked for.
fn check(response: &Response<Incoming>, accept: &str) -> Result<(), &'static str> {
    let headers = response.headers();
    if !lists(headers, &UPGRADE, "websocket") || !lists(headers, &CONNECTION, "upgrade") {
        return Err("it switched to another protocol");
    }
    if headers.get(SEC_WEBSOCKET_ACCEPT).is_none_or(|value| value != accept) {
        return Err("its Sec-WebSocket-Accept does not match the key");
    }
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) || headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Err("it chose an extension or a subprotocol that was not offered");
    }
    Ok(())
}

/// An answer that is not the upgrade.
async fn refused(response: Response<Incoming>, driver: &mut Driver) -> DialError {
    let status = response.status().as_u16();
    let text = |name: &HeaderName| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let refusal = text(&REFUSAL);
    let to = text(&LOCATION).filter(|_| (300..400).contains(&status));
    let is_page = text(&CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
    let body = match to {
        Some(to) => format!("it redirects to {}", redacted_url(&to)),
        None => {
            let start = excerpt(response.into_body(), driver).await;
            if is_page { page(&start) } else { start }
        }
    };
    DialError::Refused { status, body, refusal }
}

/// What an HTML page says in short.
fn page(html: &str) -> String {
    let title = || {
        let lower = html.to_ascii_lowercase();
        let from = lower.find("<title>")? + "<title>".len();
        let until = lower.get(from..)?.find("</title>")?;
        html.get(from..from + until).map(|title| title.trim().to_owned())
    };
    title().map_or_else(|| "a web page".to_owned(), |title| format!("a web page titled {title}"))
}

/// The start of a refusal's body. A body that fails is as good as what came of it.
async fn excerpt(body: Incoming, driver: &mut Driver) -> String {
    let mut body = pin!(body);
    let mut text = Vec::new();
    while text.len() < EXCERPT {
        let frame = poll_fn(|cx| {
            driver.drive(cx);
            body.as_mut().poll_frame(cx)
        });
        match frame.await {
            Some(Ok(frame)) => text.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Some(Err(_)) | None => break,
        }
    }
    text.truncate(EXCERPT);
    String::from_utf8_lossy(&text).into_owned()
}

/// hyper's side of the exchange, polled along with whatever waits for it.
pub(super) struct Driver {
    connection: http1::Connection<TokioIo<NetStream>, Empty<Bytes>>,
    done: bool,
}

impl Driver {
    /// The stream, once hyper has let go of it, and what was read beyond the answer.
    pub(super) async fn into_stream(mut self) -> (NetStream, BytesMut) {
        poll_fn(|cx| self.poll_done(cx)).await;
        let parts = self.connection.into_parts();
        (parts.io.into_inner(), BytesMut::from(parts.read_buf))
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        let _ = self.poll_done(cx);
    }

    /// Ready when hyper has let go of the stream. Its failure shows in the response or the body.
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.done {
            let _ = ready!(Pin::new(&mut self.connection).poll_without_shutdown(cx));
            self.done = true;
        }
        Poll::Ready(())
    }
}

fn not_websocket(error: hyper::Error) -> DialError {
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            // In TLS 1.3 a server says only after the handshake that it does not accept the client's certificate.
            if io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
                return DialError::RefusedByTls(io.to_string());
            }
            return DialError::Dropped(io.to_string());
        }
        source = cause.source();
    }
    match error.is_incomplete_message() || error.is_closed() {
        true => DialError::Dropped("no answer came".to_owned()),
        false => DialError::NotWebSocket(error.to_string()),
    }
}
