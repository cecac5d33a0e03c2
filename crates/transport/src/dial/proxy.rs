use super::{Address, DialError, connect, upgrade};
use crate::NetStream;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request,
    header::{HOST, PROXY_AUTHORIZATION, USER_AGENT},
};
use http_body_util::Empty;
use percent_encoding::percent_decode_str;
use std::fmt;
use tokio::time::Instant;
use url::{Host, Url};

/// An HTTP proxy through which an executor is dialled, with `CONNECT` (RFC 9110, section 9.3.6). The proxy resolves the
/// executor's name. `Debug` and `Display` show its host and port, and no credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: Host<String>,
    port: u16,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// `http://HOST:PORT`, or `http://USER:PASSWORD@HOST:PORT` for a proxy that wants Basic credentials. What is special in
    /// a URL is percent-encoded in them. The default port is 80.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong, without the URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("the proxy's URL is invalid: {error}"))?;
        if url.scheme() != "http" {
            return Err("a proxy is given as http://HOST:PORT; other kinds are not supported".to_owned());
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("a proxy's URL ends after the port".to_owned());
        }
        let host = url.host().ok_or("the proxy's URL has no host")?.to_owned();
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or("port 0 cannot be dialled")?;
        let authorization = (!url.username().is_empty() || url.password().is_some()).then(|| {
            let decode = |text| percent_decode_str(text).collect::<Vec<u8>>();
            let (user, password) = (decode(url.username()), decode(url.password().unwrap_or_default()));
            let credentials = STANDARD.encode([&user[..], b":", &password].concat());
            let mut value =
                HeaderValue::try_from(format!("Basic {credentials}")).expect("base64 is a legal value");
            value.set_sensitive(true);
            value
        });
        Ok(Self { host, port, authorization })
    }

    /// A tunnel to this address, by this time.
    pub(super) async fn tunnel(&self, address: &Address, deadline: Instant) -> Result<NetStream, DialError> {
        let failed_with = |status, what: String| DialError::Proxy { proxy: self.to_string(), status, what };
        let failed = |what: String| failed_with(None, what);
        let stream =
            connect::tcp(&self.host, self.port, deadline).await.map_err(|error| failed(error.to_string()))?;
        let target = address.host_and_port();
        let (response, driver) = upgrade::exchange(NetStream::Plain(stream), self.request(&target)?)
            .await
            .map_err(|error| failed(error.to_string()))?;
        match response.status().as_u16() {
            200..=299 => {}
            407 if self.authorization.is_some() => {
                return Err(failed_with(
                    Some(407),
                    "it answered 407: it does not accept the user and password of --executor-proxy".into(),
                ));
            }
            407 => {
                return Err(failed_with(
                    Some(407),
                    "it answered 407: it wants a user and a password: http://USER:PASSWORD@HOST:PORT".into(),
                ));
            }
            403 => {
                let port = address.port;
                let what = format!(
                    "it answered 403 when asked for {target}: it lets nobody there. Have it allow CONNECT to that host and port \
                     (squid: acl SSL_ports port {port}), or let the executor be reached on port 443"
                );
                return Err(failed_with(Some(403), what));
            }
            status => {
                return Err(failed_with(
                    Some(status),
                    format!("it answered {status} when asked for {target}"),
                ));
            }
        }
        let (stream, read_ahead) = driver.into_stream().await;
        match read_ahead.is_empty() {
            true => Ok(stream),
            false => Err(failed("it said something through the tunnel before it was asked".to_owned())),
        }
    }

    fn request(&self, target: &str) -> Result<Request<Empty<Bytes>>, DialError> {
        let invalid = || DialError::InvalidUrl("its host cannot stand in a header".to_owned());
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = target.parse().map_err(|_| invalid())?;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::try_from(target).map_err(|_| invalid())?);
        headers.insert(USER_AGENT, HeaderValue::from_static(upgrade::OURSELVES));
        headers.extend(self.authorization.clone().map(|value| (PROXY_AUTHORIZATION, value)));
        Ok(request)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which URLs name a proxy, that its credentials are decoded, and that nothing shows them.
    #[test]
    fn a_proxy_is_an_http_url_with_or_without_credentials() {
        let proxy = Proxy::parse("http://canary%40corp:canary%3A%2F@proxy.test:3128").unwrap();
        assert_eq!(format!("{proxy} {proxy:?}"), "proxy.test:3128 Proxy(proxy.test:3128)");
        let expected = format!("Basic {}", STANDARD.encode("canary@corp:canary:/"));
        assert_eq!(proxy.authorization.unwrap(), expected.as_str());
        assert_eq!(Proxy::parse("http://[::1]/").unwrap().to_string(), "[::1]:80");
        for wrong in [
            "",
            "canary:1",
            "https://canary@h:1",
            "socks5://canary@h:1",
            "http://canary@h:1/x",
            "http://canary@h:0",
        ] {
            let why = Proxy::parse(wrong).unwrap_err();
            assert!(!why.contains("canary"), "{why}");
        }
    }
}
