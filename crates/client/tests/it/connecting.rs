//! Connecting, and every way in which it fails.

use crate::support::{Running, any, config, connect, done, next_call, result, session};
use afield_client::{ConnectError, HttpClient, Remote, RemoteConfig};
use afield_exchange::{Blame, Kind, Retry};
use afield_executor::Config;
use afield_testkit::{Origin, PeerServer, RawOrigin, Script, Toxic, dead::Refusing, within};
use afield_transport::{BearerToken, DialError, TokenDigest};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

async fn refused(config: RemoteConfig) -> ConnectError {
    within("connecting fails", Remote::connect(config)).await.expect_err("there is no session to be had")
}

fn waiting(url: impl Into<String>) -> RemoteConfig {
    RemoteConfig { wait: true, ..config(url) }
}

/// Proves that what an executor says of itself can be read, and that its version is ours.
#[tokio::test]
async fn an_executor_says_what_it_is() {
    let executor = Running::start().await;
    let remote = connect(executor.url()).await;
    let connected = remote.connected().unwrap();
    assert!(connected.capabilities().http_request_cancel);
    assert!(connected.session_id.len() >= 22, "128 bits");
    assert_eq!(connected.limits.unwrap()["messageBytes"], 64 << 20);
}

/// Proves that an absent executor is a typed error that says what to do, safe to retry, after one attempt where waiting
/// was not wanted.
#[tokio::test]
async fn an_absent_executor_is_a_typed_error() {
    let nobody = Refusing::on("127.0.0.1");
    let url = format!("ws://{}", nobody.address());
    let error = refused(config(&url)).await;
    assert!(matches!(error, ConnectError::Dial(DialError::Connect { .. })), "{error:?}");
    assert!(error.to_string().contains("check that an executor listens there"), "{error}");
    let error = Remote::new(config(&url)).call(any()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry(), error.blame()),
        (Kind::SessionLost, Retry::Safe, Blame::Network)
    );

    let toxic = Toxic::start(nobody.address()).await;
    let error = refused(config(format!("ws://{}", toxic.address()))).await;
    assert!(matches!(error, ConnectError::Dial(DialError::Dropped(_))), "{error:?}");
    assert_eq!(toxic.accepted(), 1);
}

/// Proves that waiting for an absent executor ends by the connect timeout, on a clock that stands still while anything
/// else can happen, and with the reason, not with the timeout.
#[tokio::test(start_paused = true)]
async fn waiting_in_vain_ends_with_the_reason() {
    let nobody = Refusing::on("127.0.0.1");
    let mut config = waiting(format!("ws://{}", nobody.address()));
    config.connect_timeout = Duration::from_secs(20);
    let began = Instant::now();
    let error = refused(config).await;
    assert!(matches!(error, ConnectError::Dial(DialError::Connect { .. })), "{error:?}");
    let waited = began.elapsed();
    assert!(waited > Duration::from_secs(10) && waited <= Duration::from_secs(20), "{waited:?}");
}

/// Proves that an executor that comes late is waited for: whether nobody listens, a tunnel drops what it accepts, the
/// session is refused for now, or the connection dies before the session has begun.
#[tokio::test]
async fn an_executor_that_comes_late_is_waited_for() {
    let server = PeerServer::start().await;
    let toxic = Toxic::start(server.address()).await;
    toxic.refuse();
    let come = async {
        toxic.wait_accepted(2).await;
        toxic.heal();
        drop(server.accept_socket().await);
        server.answer_with("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
        let mut busy = server.accept().await;
        let asked = busy.asked("initialize").await;
        let data = json!({ "kind": "overloaded", "blame": "operator", "retry": "safe" });
        let error = json!({ "code": -32603, "message": "http/request failed: full", "data": data });
        busy.send_json(&json!({ "id": asked["id"], "error": error })).await;
        let mut dying = server.accept().await;
        dying.asked("initialize").await;
        dying.vanish();
        session(&server, true).await
    };
    let config = waiting(format!("ws://{}", toxic.address()));
    let (remote, _executor) =
        within("they meet", async { tokio::join!(Remote::connect(config), come) }).await;
    assert!(remote.is_ok(), "{remote:?}");
}

/// Proves that a wrong token, and a missing one, is an error of its own that is not tried again, and the right one is
/// let in.
#[tokio::test]
async fn a_wrong_token_is_unauthorized() {
    let authentication = Arc::new(TokenDigest::of("right horse battery"));
    let executor = Running::with(Config { authentication, ..Config::default() }).await;
    let toxic = Toxic::start(executor.address).await;
    let with = |token: Option<&str>| {
        let token = token.map(BearerToken::new);
        RemoteConfig { token, ..waiting(format!("ws://{}", toxic.address())) }
    };
    for (attempts, token) in [(1, Some("wrong canary")), (2, None)] {
        let error = refused(with(token)).await;
        assert!(matches!(error, ConnectError::Dial(DialError::Refused { status: 401, .. })), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert_eq!(toxic.accepted(), attempts, "not tried again");
    }
    let error = Remote::new(with(Some("wrong canary"))).call(any()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.blame(), error.retry()),
        (Kind::Unauthorized, Blame::Caller, Retry::Safe),
        "{error:?}"
    );
    assert!(error.message().contains("check the token"), "{error}");
    assert!(Remote::connect(with(Some("right horse battery"))).await.is_ok());
}

/// Proves that a refused session is told in the executor's words and not tried again.
#[tokio::test]
async fn a_refused_session_is_told() {
    let server = PeerServer::start().await;
    let refuse = async {
        let mut executor = server.accept().await;
        let asked = executor.asked("initialize").await;
        let error = json!({ "code": -32600, "message": "not you" });
        executor.send_json(&json!({ "id": asked["id"], "error": error })).await;
        executor
    };
    let (error, _executor) = tokio::join!(refused(waiting(server.url())), refuse);
    assert!(matches!(&error, ConnectError::Refused(why) if why == "not you"), "{error:?}");
    assert_eq!((error.to_error().kind(), error.to_error().retry()), (Kind::SessionLost, Retry::Safe));
}

/// Proves that an answer to `initialize` that is of no use refuses the session instead of leaving it waiting.
#[tokio::test]
async fn an_unusable_answer_to_initialize_is_a_refusal() {
    for answer in [json!({ "result": 7 }), json!({ "result": {} }), json!({ "error": "no" }), json!({})] {
        let server = PeerServer::start().await;
        let reply = async {
            let mut executor = server.accept().await;
            let mut message = answer.clone();
            message["id"] = executor.asked("initialize").await["id"].take();
            executor.send_json(&message).await;
            executor
        };
        let (error, _executor) = tokio::join!(refused(waiting(server.url())), reply);
        assert!(matches!(error, ConnectError::Refused(_)), "{answer}: {error:?}");
    }
}

/// Proves that what is not an executor is told apart: an HTTP server, and a server of something else.
#[tokio::test]
async fn what_is_not_an_executor_is_told_apart() {
    let http = Origin::start().await;
    let error = refused(config(format!("ws://{}", http.address()))).await;
    assert!(matches!(error, ConnectError::Dial(DialError::Refused { status: 404, .. })), "{error:?}");
    let page = "HTTP/1.1 301 Moved\r\nlocation: https://elsewhere.test/?canary\r\ncontent-length: 0\r\n\r\n";
    let moved = RawOrigin::always(Script::answering(page)).await;
    let error = refused(waiting(format!("ws://{}", moved.address()))).await;
    assert!(
        matches!(error, ConnectError::Dial(DialError::Refused { status: 301, .. })),
        "not tried again: {error:?}"
    );
    assert!(error.to_string().contains("it redirects to https://elsewhere.test/"), "{error}");
    assert!(!error.to_string().contains("canary"), "{error}");

    let other = RawOrigin::always(Script::new().send("SSH-2.0-OpenSSH_9.9\r\n").hang()).await;
    let error = refused(waiting(format!("ws://{}", other.address()))).await;
    assert!(matches!(error, ConnectError::Dial(DialError::NotWebSocket(_))), "{error:?}");
    assert!(error.to_string().contains("check the address and the port"), "{error}");
}

/// Proves that a listener that accepts and says nothing, and one that opens a WebSocket and says nothing, end with the
/// connect timeout.
#[tokio::test]
async fn silence_ends_with_the_connect_timeout() {
    let server = PeerServer::start().await;
    let mut config = waiting(server.url());
    config.connect_timeout = Duration::from_millis(300);
    let (error, _socket) = tokio::join!(refused(config.clone()), server.accept_socket());
    assert!(matches!(error, ConnectError::Dial(DialError::Timeout { .. })), "{error:?}");
    assert!(error.to_string().contains("within 300ms"), "{error}");

    let (error, mut executor) = tokio::join!(refused(config), server.accept());
    assert!(
        matches!(error, ConnectError::Timeout(after) if after == Duration::from_millis(300)),
        "{error:?}"
    );
    assert!(
        matches!(within("the connection ends", executor.end()).await, afield_testkit::peer::End::Lost(_)),
        "and the connection is closed"
    );
}

/// Proves that a URL that cannot be dialled is refused as such, without showing what is secret in it.
#[tokio::test]
async fn a_url_that_cannot_be_dialled_is_refused() {
    for url in ["ftp://host/", "ws://user:canary@127.0.0.1:1/", "no url", "ws://127.0.0.1:0/?canary"] {
        let config = waiting(url);
        assert!(!format!("{config:?}").contains("canary"));
        let error = refused(config).await;
        assert!(matches!(error, ConnectError::Dial(DialError::InvalidUrl(_))), "{url}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}

/// Proves that a client that connects at its first call does so then and not before.
#[tokio::test]
async fn a_lazy_client_connects_at_its_first_call() {
    let server = PeerServer::start().await;
    let remote = Remote::new(config(server.url()));
    assert!(remote.connected().is_none());
    let (answer, _executor) = tokio::join!(remote.call(any()), async {
        let mut executor = session(&server, true).await;
        let call = next_call(&mut executor).await;
        executor.send_json(&done(&call, 200, "late")).await;
        executor
    });
    assert_eq!(answer.unwrap().body, "late");
    assert_eq!(remote.connected().unwrap().session_id, result(true)["sessionId"]);
}
