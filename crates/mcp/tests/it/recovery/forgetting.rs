//! A manager's server that forgets its sessions and tells of it in an event, where rmcp takes it for any error.

use super::scripted::{Asked, Said, Scripted, proper};
use afield_client::Local;
use afield_egress::EgressConfig;
use afield_mcp::{
    HttpTransport,
    manager::{CallError, Entry, Manager, ServerConfig},
};
use afield_testkit::within;
use serde_json::{Value, json};
use std::sync::Arc;

fn is_call(asked: &Asked) -> bool {
    asked.is("tools/call")
}

/// A server that has a tool, and forgets the sessions of which `forgets` says so.
async fn server(
    code: i64,
    message: &'static str,
    forgets: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> Scripted {
    Scripted::start(move |asked, at| {
        let session = asked.session.as_deref().unwrap_or_default();
        let is_asked = is_call(asked) || asked.is("tools/list");
        let answer = |key: &str, value: Value| {
            let answer = json!({"jsonrpc": "2.0", "id": asked.message["id"], key: value});
            Said::Events(format!("data: {answer}\n\n"), true)
        };
        match is_asked {
            true if is_call(asked) && forgets(session) => {
                answer("error", json!({"code": code, "message": message}))
            }
            true if is_call(asked) => answer("result", json!({"content": []})),
            true => answer("result", json!({"tools": []})),
            // What this server does not know.
            false if asked.is("server/discover") => answer("error", json!({"code": -32601, "message": "no"})),
            false => proper(asked, at),
        }
    })
    .await
}

async fn managed(server: &Scripted) -> Manager {
    let client = Arc::new(Local::new(EgressConfig::default()).unwrap());
    let mut config = ServerConfig::new("s", server.url(), HttpTransport::new(client));
    config.check_every = None;
    let manager = Manager::start([Entry::Server(config)]);
    within("the server is ready", manager.settled()).await;
    manager
}

/// Proves that a session which the server says in an event to have lost is one new session for many calls, each executed once
/// (case 168).
#[tokio::test]
async fn manager_begins_one_session_when_an_event_tells_of_the_loss() {
    // `server/discover` was its first request, so its first session is `s2`.
    let server = server(-32001, "Session not found", |session| session == "s2").await;
    let manager = managed(&server).await;
    let calls = (0..10).map(|_| manager.call_tool("s", "count", None, None));
    for answer in within("the calls", futures_util::future::join_all(calls)).await {
        answer.unwrap();
    }
    assert_eq!(server.count(|asked| asked.is("initialize")), 2);
    let executed = |asked: &Asked| is_call(asked) && asked.session.as_deref() != Some("s2");
    assert_eq!(server.count(executed), 10);
    within("the end", manager.close()).await;
}

/// Proves that a server which forgets every session is asked for one more and tells its error, that the next ones are begun at
/// growing intervals, and that an error which is no loss of a session begins none (case 168).
#[tokio::test]
async fn manager_of_a_server_that_forgets_every_session_makes_no_storm() {
    let server_of_few = server(-32001, "Session not found", |_| true).await;
    let manager = managed(&server_of_few).await;
    let began = std::time::Instant::now();
    for _ in 0..3 {
        let calls = (0..10).map(|_| manager.call_tool("s", "count", None, None));
        for answer in within("the calls", futures_util::future::join_all(calls)).await {
            assert!(matches!(answer, Err(CallError::Refused(_))), "{answer:?}");
        }
    }
    // After the first one, which comes at once: 200 ms, 400 ms, ….
    let sessions = server_of_few.count(|asked| asked.is("initialize"));
    assert!(sessions <= 6, "{sessions} sessions in {:?}", began.elapsed());
    within("the end", manager.close()).await;
    let other = server(-32000, "Session not found", |_| true).await;
    let manager = managed(&other).await;
    let answer = within("the call", manager.call_tool("s", "count", None, None)).await;
    assert!(matches!(answer, Err(CallError::Refused(_))), "{answer:?}");
    assert_eq!(other.count(|asked| asked.is("initialize")), 1);
    within("the end", manager.close()).await;
}
