//! Where the browser comes back to: a listener on loopback that takes one answer.

use super::{LoginError, Secret, redirect::Expected};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

pub(crate) const PATH: &str = "/callback";
/// Browsers open a few connections ahead; more than this are not they.
const CONNECTIONS: usize = 16;
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// A listener for one answer.
pub(crate) struct Callback {
    listener: TcpListener,
    address: SocketAddr,
}

impl Callback {
    /// Listens on loopback, on this port or one that the system picks.
    pub(crate) async fn bind(port: Option<u16>) -> Result<Self, LoginError> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(0)));
        let failed = |error: std::io::Error| LoginError::Listen {
            address: wanted.to_string(),
            why: error.to_string(),
        };
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Waits for the answer. Requests that are none (another path, method, `Host` or state) are refused and change nothing.
    ///
    /// Cancel safe: dropped, it listens no more and its connections are gone.
    pub(crate) async fn answer(self, expected: &Expected) -> Result<Secret, LoginError> {
        let (answered, mut answers) = mpsc::channel(1);
        let desk = Arc::new(Desk { port: self.port(), expected: expected.clone(), answered });
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                answer = answers.recv() => {
                    let answer = answer.expect("the desk is still here");
                    // What the browser is to show goes out before the connections are dropped, if it takes it.
                    let shown = async { while connections.join_next().await.is_some() {} };
                    let _ = tokio::time::timeout(Duration::from_millis(500), shown).await;
                    return answer;
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => { connections.spawn(serve(stream, desk.clone())); }
                        // Out of descriptors, most likely: not to spin.
                        Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                    }
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, desk: Arc<Desk>) {
    let service = service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(desk.look_at(&request)) }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .keep_alive(false)
        .max_buf_size(64 * 1024);
    // A browser that goes away in the middle is no failure of the login.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

struct Desk {
    port: u16,
    expected: Expected,
    answered: mpsc::Sender<Result<Secret, LoginError>>,
}

impl Desk {
    fn look_at(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let hosts = ["127.0.0.1", "localhost"].map(|host| format!("{host}:{}", self.port));
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        if !host.is_some_and(|host| hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))) {
            return page(StatusCode::FORBIDDEN, "Not here", "This address is for a login on this machine.");
        }
        if request.uri().path() != PATH {
            return page(StatusCode::NOT_FOUND, "Nothing here", "This address takes one answer to a login.");
        }
        if request.method() != Method::GET {
            return page(StatusCode::METHOD_NOT_ALLOWED, "Not like this", "A login's answer comes by GET.");
        }
        let query = request.uri().query().unwrap_or_default();
        if !self.expected.is_answer(query) {
            return page(
                StatusCode::BAD_REQUEST,
                "Not this login",
                "This is no answer to the login that waits here.",
            );
        }
        let answer = self.expected.code(query);
        let shown = match &answer {
            Ok(_) => {
                page(StatusCode::OK, "Signed in", "Go back to where you came from; this page can be closed.")
            }
            Err(error) => page(StatusCode::OK, "Not signed in", &error.to_string()),
        };
        match self.answered.try_send(answer) {
            Ok(()) => shown,
            Err(_) => page(StatusCode::CONFLICT, "Answered already", "This login has had its answer."),
        }
    }
}

/// A page that loads nothing, keeps nothing and tells nobody where it was.
fn page(status: StatusCode, title: &str, text: &str) -> Response<Full<Bytes>> {
    let text = escaped(text);
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>afield: {title}</title>\
         <style>body{{font:18px/1.5 system-ui,sans-serif;max-width:36em;margin:18vh auto;padding:0 1em;\
         color-scheme:light dark}}</style><h1>{title}</h1><p>{text}</p></html>"
    );
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        )
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(Full::new(Bytes::from(html)))
        .expect("these fields are well-formed")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
