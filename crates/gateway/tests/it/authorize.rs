//! Tokens that the gateway adds.

use crate::support::{Place, Running, Setup};
use afield_exchange::{Blame, Error, Head, Kind, Retry};
use afield_gateway::{Authorize, Authorizing, Config, Route, Secret};
use afield_testkit::{RawOrigin, Script};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

/// Hands out these tokens, the next one after each refusal.
struct Tokens {
    tokens: Vec<&'static str>,
    at: AtomicUsize,
    refused: Mutex<Vec<String>>,
}

impl Tokens {
    fn new(tokens: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { tokens: tokens.to_vec(), at: AtomicUsize::new(0), refused: Mutex::default() })
    }

    fn now(&self) -> Option<&'static str> {
        self.tokens.get(self.at.load(Ordering::SeqCst)).copied()
    }
}

impl Authorize for Tokens {
    fn bearer<'a>(&'a self, _: &'a str) -> Authorizing<'a, Result<Option<Secret>, Error>> {
        Box::pin(async {
            match self.now() {
                Some("!") => {
                    let message = "not logged in: run `afield mcp login r`";
                    Err(Error::new(Kind::Unauthorized, Blame::Caller, Retry::No, message))
                }
                token => Ok(token.map(Secret::new)),
            }
        })
    }

    fn refused<'a>(
        &'a self,
        url: &'a str,
        sent: Option<&'a Secret>,
        answer: &'a Head,
    ) -> Authorizing<'a, Result<Option<Secret>, Error>> {
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        assert_eq!(answer.header("www-authenticate").unwrap().text(), Some("Bearer x"));
        let Some(sent) = sent else { return Box::pin(async { Ok(None) }) };
        Box::pin(async {
            self.refused.lock().unwrap().push(sent.expose().to_owned());
            self.at.fetch_add(1, Ordering::SeqCst);
            Ok(self.now().map(Secret::new))
        })
    }
}

/// An origin that accepts the token `good`.
async fn origin() -> RawOrigin {
    let script = Script::new()
        .expect_request()
        .send("HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer x\r\ncontent-length: 2\r\n\r\nno")
        .close();
    let fine = Script::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    RawOrigin::builder().script(script).otherwise(fine).start().await.unwrap()
}

async fn gateway(origin: &RawOrigin, tokens: &Arc<Tokens>) -> Running {
    let (url, tokens) = (origin.url("/"), tokens.clone());
    Setup::at(Place::Here)
        .start_with(|client, config| {
            let route = Route::new("r", url, client.clone()).unwrap().authorize(tokens);
            Config { routes: vec![route], ..config }
        })
        .await
}

const POST: &str = "POST /r HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n";

/// Proves that a token is added, that a refused one is replaced once, and that the request is then sent again as it was.
#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let (origin, tokens) = (origin().await, Tokens::new(&["old", "good"]));
    let gateway = gateway(&origin, &tokens).await;
    let got = gateway.ask(&format!("{POST}\r\nbody")).await;
    assert_eq!((got.status(), got.text().as_str()), (200, "ok"));
    for (index, token) in ["old", "good"].into_iter().enumerate() {
        let sent = origin.connection(index).await.wait_text("body").await;
        let sent = String::from_utf8_lossy(&sent);
        assert!(sent.contains(&format!("authorization: Bearer {token}\r\n")), "{sent}");
    }
    assert_eq!(*tokens.refused.lock().unwrap(), ["old"]);
}

/// Proves that the origin's answer reaches the caller where there is no other token, and where the body cannot be sent again.
#[tokio::test]
async fn a_refusal_that_cannot_be_mended_reaches_the_caller() {
    for (tokens, request) in [
        (&["old"][..], format!("{POST}\r\nbody")),
        (
            &["old", "good"],
            "POST /r HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
    ] {
        let (origin, tokens) = (origin().await, Tokens::new(tokens));
        let got = gateway(&origin, &tokens).await.ask(&request).await;
        assert_eq!((got.status(), got.error(), got.text().as_str()), (401, None, "no"));
        assert_eq!(got.values("www-authenticate"), ["Bearer x"]);
        assert_eq!(*tokens.refused.lock().unwrap(), ["old"]);
        assert_eq!(origin.accepted(), 1);
    }
}

/// Proves that the caller's own `Authorization` is left alone, and that its refusal is the caller's.
#[tokio::test]
async fn the_callers_own_authorization_is_left_alone() {
    let (origin, tokens) = (origin().await, Tokens::new(&["old", "good"]));
    let gateway = gateway(&origin, &tokens).await;
    let got = gateway.ask(&format!("{POST}Authorization: Basic eDp5\r\n\r\nbody")).await;
    assert_eq!(got.status(), 401);
    let sent = origin.connection(0).await.wait_text("body").await;
    assert!(String::from_utf8_lossy(&sent).contains("authorization: Basic eDp5\r\n"));
    assert!(tokens.refused.lock().unwrap().is_empty());
}

/// Proves that without a token the request goes as it is, and that a login which is missing is told.
#[tokio::test]
async fn a_missing_token_is_told_or_left_out() {
    let nobody = origin().await;
    let got = gateway(&nobody, &Tokens::new(&[])).await.get("/r").await;
    assert_eq!((got.status(), got.error()), (401, None));
    assert!(!String::from_utf8_lossy(&nobody.connection(0).await.received()).contains("authorization"));
    let asked = origin().await;
    let got = gateway(&asked, &Tokens::new(&["!"])).await.get("/r").await;
    assert_eq!((got.status(), got.error()), (502, Some("unauthorized")));
    assert!(got.text().contains("afield mcp login"), "{}", got.text());
    assert_eq!(asked.accepted(), 0);
}
