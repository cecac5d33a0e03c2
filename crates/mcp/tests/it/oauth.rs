//! What OAuth asks, it asks through the transport.

use crate::support::{Places, response};
use afield_client::{Exchange, HttpClient};
use afield_exchange::{Buffered, Request, Response};
use afield_mcp::HttpTransport;
use rmcp::transport::{AuthorizationManager, auth::AuthError};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// An authorization server, of the resource too, that knows the paths it was asked for.
struct Site {
    address: SocketAddr,
    paths: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Site {
    /// A server that answers a path by `answer`, and 404 where that is nothing.
    async fn start(answer: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let paths = Arc::new(Mutex::new(Vec::new()));
        let mut serving = JoinSet::new();
        let seen = paths.clone();
        serving.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let path = read(stream, |path| {
                    seen.lock().unwrap().push(path.to_owned());
                    answer(path, &format!("http://{address}")).unwrap_or_else(|| response(404, "", ""))
                });
                path.await;
            }
        });
        Self { address, paths, _serving: serving }
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap().clone()
    }
}

async fn read(mut stream: TcpStream, answer: impl FnOnce(&str) -> String) {
    let mut request = Vec::new();
    let whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |n| n.parse().unwrap());
        (body.len() >= length).then(|| head.split(' ').nth(1).unwrap().to_owned())
    };
    let path = loop {
        if let Some(path) = whole(&request) {
            break path;
        }
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let _ = stream.write_all(answer(&path).as_bytes()).await;
}

fn json(status: u16, text: &str) -> Option<String> {
    Some(response(status, "content-type: application/json\r\nconnection: close\r\n", text))
}

fn metadata(base: &str) -> Option<String> {
    let text = format!(
        r#"{{"issuer":"{base}","authorization_endpoint":"{base}/authorize","token_endpoint":"{base}/token",
            "registration_endpoint":"{base}/register","response_types_supported":["code"],
            "code_challenge_methods_supported":["S256"],"token_endpoint_auth_methods_supported":["none"]}}"#
    );
    json(200, &text)
}

fn registration() -> Option<String> {
    json(201, r#"{"client_id":"c","redirect_uris":["http://127.0.0.1:9/callback"]}"#)
}

/// Counts what goes through a client.
struct Counting(HttpTransportClient, Arc<Mutex<Vec<String>>>);
type HttpTransportClient = Arc<dyn HttpClient>;

impl HttpClient for Counting {
    fn stream(&self, request: Request) -> Exchange<'_, Response> {
        let url = url::Url::parse(&request.url).unwrap();
        self.1.lock().unwrap().push(url.path().to_owned());
        self.0.stream(request)
    }

    fn call(&self, request: Request) -> Exchange<'_, Buffered> {
        self.0.call(request)
    }
}

/// A manager with a registered client, up to the code exchange.
async fn exchange(transport: &HttpTransport, url: &str) -> Result<AuthorizationManager, AuthError> {
    let mut manager =
        AuthorizationManager::new_with_oauth_http_client(url, Arc::new(transport.clone())).await?;
    let resolution = manager.resolve_metadata().await?;
    manager.set_metadata(resolution.metadata);
    manager.register_client("test", "http://127.0.0.1:9/callback", &[]).await?;
    let authorize = url::Url::parse(&manager.get_authorization_url(&[]).await?).unwrap();
    let state = authorize.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    manager.exchange_code_for_token("code", &state).await?;
    Ok(manager)
}

/// Proves that discovery, registration, code exchange and refresh all leave through the transport's client, and nothing
/// beside it.
#[tokio::test]
async fn every_oauth_request_leaves_through_the_transport() {
    let places = Places::start().await;
    for (place, client) in [("local", places.local_client.clone()), ("remote", places.remote_client.clone())]
    {
        let site = Site::start(|path, base| match path {
            "/.well-known/oauth-authorization-server" => metadata(base),
            "/register" => registration(),
            "/token" => {
                json(200, r#"{"access_token":"a","token_type":"Bearer","expires_in":1,"refresh_token":"r"}"#)
            }
            _ => None,
        })
        .await;
        let through = Arc::new(Mutex::new(Vec::new()));
        let transport = HttpTransport::new(Arc::new(Counting(client, through.clone())));
        let manager = exchange(&transport, &site.url()).await.unwrap();
        manager.refresh_token().await.unwrap();
        let paths = site.paths();
        for path in ["/.well-known/oauth-authorization-server", "/register", "/token"] {
            assert!(paths.iter().any(|seen| seen == path), "{place}: {path} in {paths:?}");
        }
        assert_eq!(paths, *through.lock().unwrap(), "{place}");
    }
}

/// Proves that a token request is never sent on by a redirect, and that no more than 1 MiB of an answer is taken.
#[tokio::test]
async fn a_token_request_is_neither_redirected_nor_answered_without_end() {
    let places = Places::start().await;
    for (place, transport) in places.each() {
        let site = Site::start(|path, base| match path {
            "/.well-known/oauth-authorization-server" => metadata(base),
            "/register" => registration(),
            "/token" => Some(response(307, "location: /elsewhere\r\nconnection: close\r\n", "")),
            _ => None,
        })
        .await;
        assert!(exchange(transport, &site.url()).await.is_err(), "{place}");
        assert!(site.paths().contains(&"/token".to_owned()), "{place}");
        assert!(!site.paths().contains(&"/elsewhere".to_owned()), "{place}");

        let token = r#"{"access_token":"a","token_type":"Bearer"}"#;
        for (size, fits) in [(1024 * 1024, true), (1024 * 1024 + 1, false)] {
            let site = Site::start(move |path, base| match path {
                "/.well-known/oauth-authorization-server" => metadata(base),
                "/register" => registration(),
                "/token" => json(200, &format!("{token}{}", " ".repeat(size - token.len()))),
                _ => None,
            })
            .await;
            assert_eq!(exchange(transport, &site.url()).await.is_ok(), fits, "{place}: {size}");
        }
    }
}
