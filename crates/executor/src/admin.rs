//! What an operator's own tools ask, on a listener of its own: whether the executor lives, and whether it is ready.
//!
//! Where orchestrators need a certificate, a load balancer that has none cannot ask for `/readyz` on their listener. Nobody
//! says who he is here, so it listens on loopback or a Unix socket alone, and an executor asks nothing of it.

use crate::{
    config::{AdminListen, StartError},
    executor::Inner,
};
use afield_transport::{Incoming, Socket};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming as RequestBody,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, ORIGIN},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinSet;

/// What may be asked for, and what answers. More can join.
type Render = fn(&Inner) -> Page;

const PAGES: &[(&str, Render)] = &[("/livez", live), ("/readyz", ready)];

/// Connections at one time; more wait to be accepted.
const CONNECTIONS: usize = 64;
/// How long a connection may take for its next request.
const HEAD: Duration = Duration::from_secs(10);
/// After an accept that failed, before the next.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A page: its status, and its text.
type Page = (StatusCode, String);

fn live(_: &Inner) -> Page {
    (StatusCode::OK, "live\n".to_owned())
}

fn ready(inner: &Inner) -> Page {
    match inner.readiness.is_ready() {
        true => (StatusCode::OK, "ready\n".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned()),
    }
}

/// The listener.
pub(crate) struct Admin(Socket);

impl Admin {
    /// Binds it.
    pub async fn bind(listen: AdminListen) -> Result<Self, StartError> {
        let bound = match &listen {
            AdminListen::Tcp(address) => Socket::tcp(*address).await,
            AdminListen::Unix(path) => Socket::unix(path, Vec::new()).await,
        };
        bound.map(Self).map_err(|error| StartError::Admin { at: listen.to_string(), why: error.to_string() })
    }

    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.0.address()
    }

    /// Where it is: `http://ADDRESS` or `unix:PATH`.
    pub fn url(&self) -> String {
        match (self.0.address(), self.0.path()) {
            (Some(address), _) => format!("http://{address}"),
            (None, path) => format!("unix:{}", path.unwrap_or_default().display()),
        }
    }

    /// Answers for ever. Dropping the future ends it and its connections.
    pub async fn serve(self, inner: Arc<Inner>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = self.0.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok(incoming) => drop(connections.spawn(answer_all(incoming, inner.clone()))),
                    Err(error) => {
                        tracing::debug!(%error, "the admin listener cannot accept a connection");
                        tokio::time::sleep(BACK_OFF).await;
                    }
                },
            }
        }
    }
}

async fn answer_all(incoming: Incoming, inner: Arc<Inner>) {
    let is_tcp = matches!(incoming.peer(), afield_transport::Peer::Tcp(_));
    let by = tokio::time::Instant::now() + HEAD;
    // On a Unix socket the kernel says who is there.
    let Ok((stream, _)) = incoming.secure(None, by).await else { return };
    let service = service_fn(|request: Request<RequestBody>| {
        let response = answer(&request, &inner, is_tcp);
        async move { Ok::<_, Infallible>(response) }
    });
    let server = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = server.await {
        tracing::debug!(%error, "a connection to the admin listener failed");
    }
}

fn answer(request: &Request<RequestBody>, inner: &Inner, is_tcp: bool) -> Response<Full<Bytes>> {
    let (status, text) = if is_tcp && is_of_a_page(request) {
        (
            StatusCode::FORBIDDEN,
            "no web page may ask here, and the host is an IP address or localhost\n".to_owned(),
        )
    } else if ![Method::GET, Method::HEAD].contains(request.method()) {
        (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned())
    } else {
        match PAGES.iter().find(|(path, _)| *path == request.uri().path()) {
            Some((_, page)) => page(inner),
            None => {
                let paths: Vec<&str> = PAGES.iter().map(|(path, _)| *path).collect();
                (StatusCode::NOT_FOUND, format!("here are {}\n", paths.join(", ")))
            }
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// Tells whether a web page may be behind it: a browser says so, or it came by a name that was made to lead here.
fn is_of_a_page(request: &Request<RequestBody>) -> bool {
    let headers = request.headers();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name =
        host.strip_suffix(']').map_or_else(|| host.rsplit_once(':').map_or(host, |(name, _)| name), |_| host);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let is_own = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    let by_browser = headers.get("sec-fetch-site").is_some_and(|site| site != "none");
    headers.contains_key(ORIGIN) || by_browser || !is_own
}
