//! A connection to an origin through the operator's proxy.

use super::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The user and password that a proxy demands.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: zeroize::Zeroizing<String>,
    /// The same as a field of a request.
    pub(crate) basic: HeaderValue,
}

impl Credentials {
    pub(crate) fn new(user: &str, password: &str) -> Self {
        let pair = zeroize::Zeroizing::new(format!("{user}:{password}"));
        let basic = zeroize::Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        // Base64 is made of visible characters.
        let mut basic = HeaderValue::from_str(&basic).unwrap_or(HeaderValue::from_static("Basic Og=="));
        basic.set_sensitive(true);
        Self { user: user.to_owned(), password: zeroize::Zeroizing::new(password.to_owned()), basic }
    }
}

/// Header bytes that a proxy's answer may have.
const ANSWER: usize = 64 * 1024;

/// Asks an HTTP proxy for a tunnel (RFC 9110, section 9.3.6) to `authority`, a host with a port.
pub(super) async fn tunnel<T>(io: T, authority: &str, basic: Option<&HeaderValue>) -> Result<T, Failure>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_header_size(ANSWER);
    let (mut sender, connection) = builder.handshake(TokioIo::new(io)).await.map_err(Failure::tunnel)?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() =
        Uri::try_from(authority).map_err(|_| Failure::Proxy("not an authority".to_owned()))?;
    let host = HeaderValue::from_str(authority).map_err(|_| Failure::Proxy("not an authority".to_owned()))?;
    request.headers_mut().insert(HOST, host);
    if let Some(basic) = basic {
        request.headers_mut().insert(PROXY_AUTHORIZATION, basic.clone());
    }
    let upgrading = async {
        let response = sender.send_request(request).await.map_err(Failure::tunnel)?;
        match response.status() {
            status if status.is_success() => hyper::upgrade::on(response).await.map_err(Failure::tunnel),
            http::StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(Failure::ProxyCredentials),
            status => Err(Failure::Proxy(format!("the proxy answers {} to CONNECT", status.as_u16()))),
        }
    };
    let mut connection = std::pin::pin!(connection.with_upgrades());
    let mut upgrading = std::pin::pin!(upgrading);
    let mut connected = true;
    let upgraded = std::future::poll_fn(|cx| {
        if connected {
            connected = connection.as_mut().poll(cx).is_pending();
        }
        upgrading.as_mut().poll(cx)
    })
    .await?;
    let parts = upgraded
        .downcast::<TokioIo<T>>()
        .map_err(|_| Failure::Proxy("the tunnel is not the connection that was made".to_owned()))?;
    // Before the origin was sent anything, only the proxy can have said this.
    match parts.read_buf.is_empty() {
        true => Ok(parts.io.into_inner()),
        false => Err(Failure::Proxy("the proxy speaks unasked in the tunnel".to_owned())),
    }
}

/// What a SOCKS5 proxy is asked to connect to.
pub(super) enum Place<'a> {
    Address(SocketAddr),
    Name(&'a str, u16),
}

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_PASSWORD: u8 = 2;

/// Asks a SOCKS5 proxy for a connection (RFC 1928), with user and password (RFC 1929) where there are any.
pub(super) async fn socks5<T>(
    io: &mut T,
    place: Place<'_>,
    credentials: Option<&Credentials>,
) -> Result<(), Failure>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let method = if credentials.is_some() { USER_PASSWORD } else { NO_AUTHENTICATION };
    io.write_all(&[VERSION, 1, method]).await?;
    match (io.read_u8().await?, io.read_u8().await?) {
        (VERSION, chosen) if chosen == method => {}
        (VERSION, _) => return Err(Failure::ProxyCredentials),
        _ => return Err(not_socks()),
    }
    if let Some(Credentials { user, password, .. }) = credentials {
        let mut message = zeroize::Zeroizing::new(vec![1]);
        for text in [user.as_str(), password.as_str()] {
            let length = u8::try_from(text.len());
            let length =
                length.map_err(|_| Failure::Proxy("user or password is over 255 bytes".to_owned()))?;
            message.push(length);
            message.extend_from_slice(text.as_bytes());
        }
        io.write_all(&message).await?;
        io.read_u8().await?;
        if io.read_u8().await? != 0 {
            return Err(Failure::ProxyCredentials);
        }
    }
    io.write_all(&connect_message(place)?).await?;
    let mut answer = [0; 4];
    io.read_exact(&mut answer).await?;
    match answer {
        [VERSION, 0, _, _] => {}
        [VERSION, code, _, _] => return Err(Failure::Proxy(format!("the proxy answers {code} to CONNECT"))),
        _ => return Err(not_socks()),
    }
    let bound = match answer[3] {
        1 => 4,
        4 => 16,
        3 => io.read_u8().await?.into(),
        _ => return Err(not_socks()),
    };
    // The address the proxy connects from, and its port, concern nobody here.
    io.read_exact(&mut vec![0; bound + 2]).await?;
    Ok(())
}

fn connect_message(place: Place<'_>) -> Result<Vec<u8>, Failure> {
    let mut message = vec![VERSION, 1, 0];
    let port = match place {
        Place::Address(address) => {
            match address.ip() {
                IpAddr::V4(ip) => {
                    message.push(1);
                    message.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    message.push(4);
                    message.extend_from_slice(&ip.octets());
                }
            }
            address.port()
        }
        Place::Name(name, port) => {
            let length = u8::try_from(name.len());
            message.push(3);
            message.push(length.map_err(|_| Failure::Proxy("the name is over 255 bytes".to_owned()))?);
            message.extend_from_slice(name.as_bytes());
            port
        }
    };
    message.extend_from_slice(&port.to_be_bytes());
    Ok(message)
}

fn not_socks() -> Failure {
    Failure::Proxy("the proxy does not speak SOCKS5".to_owned())
}
