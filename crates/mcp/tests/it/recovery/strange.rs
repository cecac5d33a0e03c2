//! A relay to servers that lose sessions in every way, answer what nobody asked, or nothing.

use super::relaying::Host;
use super::scripted::{Asked, Said, Scripted, proper, result};
use afield_testkit::within;
use hyper::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn error(asked: &Asked, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": asked.message["id"], "error": {"code": code, "message": message}})
}

fn is_call(asked: &Asked) -> bool {
    asked.is("tools/call")
}

/// What a server says to a call of the first session.
type Told = fn(&Asked) -> Said;

const WAYS: [(&str, Told); 8] = [
    ("404", |_| Said::Whole(404, "text/plain", "Session not found".into())),
    ("404 as JSON", |asked| Said::json(404, &error(asked, -32001, "Session not found"))),
    ("410", |_| Said::Whole(410, "text/plain", String::new())),
    ("400 with the id", |asked| {
        Said::json(400, &error(asked, -32000, "Bad Request: No valid session ID provided"))
    }),
    ("400 with id null", |_| {
        let error = json!({"code": -32000, "message": "Bad Request: No valid session ID provided"});
        Said::json(400, &json!({"jsonrpc": "2.0", "id": null, "error": error}))
    }),
    ("400 without an id", |_| {
        Said::json(
            400,
            &json!({"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid session ID"}}),
        )
    }),
    ("200", |asked| Said::json(200, &error(asked, -32001, "Session not found"))),
    ("200 as an event", |asked| {
        Said::Events(format!("data: {}\n\n", error(asked, -32001, "Session not found")), true)
    }),
];

/// Proves that a lost session is one new session and a call that is executed once, in whatever way the server tells of it,
/// and that the host sees none of it (case 168).
#[tokio::test]
async fn relay_begins_one_session_however_the_loss_is_told() {
    for (way, told) in WAYS {
        let server = Scripted::start(move |asked, at| match asked.session.as_deref() {
            Some("s1") if is_call(asked) => told(asked),
            _ => proper(asked, at),
        })
        .await;
        let mut host = Host::at(&server.url()).await;
        for id in 0..5 {
            host.call(id, "count").await;
        }
        for _ in 0..5 {
            let answer = host.hear().await;
            assert!(answer["result"].is_object(), "{way}: {answer}");
        }
        assert_eq!(server.count(|asked| asked.is("initialize")), 2, "{way}");
        let executed = |asked: &Asked| is_call(asked) && asked.session.as_deref() != Some("s1");
        assert_eq!(server.count(executed), 5, "{way}");
        host.end().await.unwrap();
    }
}

/// Proves that an error which is no loss of a session begins none (case 168).
#[tokio::test]
async fn relay_takes_no_other_error_for_a_lost_session() {
    for (status, code, message) in
        [(400, -32602, "Invalid params"), (200, -32000, "Session not found"), (404, -32601, "no")]
    {
        let server = Scripted::start(move |asked, at| match is_call(asked) {
            true => Said::json(status, &error(asked, code, message)),
            false => proper(asked, at),
        })
        .await;
        let mut host = Host::at(&server.url()).await;
        host.call(1, "count").await;
        assert_eq!(host.hear().await["error"]["message"], message);
        assert_eq!(server.count(|asked| asked.is("initialize")), 1, "{message}");
        host.end().await.unwrap();
    }
}

/// Proves that a server which forgets each session at once is asked for few, however many messages go there, and that each
/// of them has an answer (case 168).
#[tokio::test]
async fn relay_to_a_server_that_forgets_every_session_makes_no_storm() {
    let server = Scripted::start(|asked, at| match &asked.session {
        Some(_) if is_call(asked) => Said::Whole(404, "text/plain", String::new()),
        _ => proper(asked, at),
    })
    .await;
    let mut host = Host::at(&server.url()).await;
    for id in 0..50 {
        host.call(id, "count").await;
    }
    for _ in 0..50 {
        let answer = host.hear().await;
        let told = &answer["error"]["data"]["afield"];
        assert_eq!(
            (&answer["error"]["code"], &told["mayHaveBeenExecuted"]),
            (&json!(-32000), &json!(false)),
            "{answer}"
        );
    }
    let begun = server.count(|asked| asked.is("initialize"));
    assert!(begun <= 5, "{begun} sessions for 50 calls");
    assert!(server.count(is_call) <= 50 * 3, "{}", server.count(is_call));
    host.end().await.unwrap();
}

/// Proves that a stream which is not found on a session that has just begun is none, and is asked for once (case 168).
#[tokio::test]
async fn relay_takes_404_on_the_first_get_for_no_stream() {
    for status in [404, 400, 410, 405] {
        let server = Scripted::start(move |asked, at| match asked.method {
            Method::GET => Said::Whole(status, "text/plain", "no stream".into()),
            _ => proper(asked, at),
        })
        .await;
        let mut host = Host::at(&server.url()).await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1_500) {
            host.call(1, "count").await;
            assert!(host.hear().await["result"].is_object());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(server.count(|asked| asked.method == Method::GET), 1, "{status}");
        assert_eq!(server.count(|asked| asked.is("initialize")), 1, "{status}");
        host.end().await.unwrap();
    }
}

/// Proves that a stream which ends at once and says `retry: 0` is asked for at an interval that grows, also where it is the
/// answer of a request that is to be gone on with (case 168).
#[tokio::test]
async fn relay_leaves_a_stream_alone_that_ends_at_once() {
    let server = Scripted::start(|asked, at| match asked.method {
        Method::GET => Said::Events("retry: 0\n\n".into(), true),
        _ if is_call(asked) => Said::Events("id: 1\nretry: 0\ndata:\n\n".into(), true),
        _ => proper(asked, at),
    })
    .await;
    let mut host = Host::at(&server.url()).await;
    host.call(1, "count").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    // Each of the two after 0.5 s, 1 s, 2 s, ….
    let asked = server.count(|asked| asked.method == Method::GET);
    assert!((3..=12).contains(&asked), "{asked}");
    drop(host);
}

/// Proves that whatever comes in place of an answer, the request has one at once, which shows what came, and that nothing
/// which is no message reaches the host (case 170).
#[tokio::test]
async fn relay_answers_a_request_whatever_came_in_place_of_the_answer() {
    let came: [&str; 14] = [
        r#"{"jsonrpc":"2.0","id":null,"result":{"came":1}}"#,
        r#"{"jsonrpc":"2.0","result":{"came":1}}"#,
        r#"{"jsonrpc":"2.0","id":99,"result":{"came":1}}"#,
        r#"{"jsonrpc":"2.0","id":"1","result":{"came":1}}"#,
        r#"{"jsonrpc":"2.0","id":true,"result":{"came":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"came":1}"#,
        r#"[{"jsonrpc":"2.0","id":1,"result":{"came":1}}]"#,
        r#"[]"#,
        r#"{}"#,
        r#"null"#,
        r#"17"#,
        r#""came""#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32099,"message":"came"}}"#,
        r#"not JSON"#,
    ];
    for text in came {
        let server = Scripted::start(move |asked, at| match is_call(asked) {
            true => Said::Whole(200, "application/json", text.into()),
            false => proper(asked, at),
        })
        .await;
        let mut host = Host::at(&server.url()).await;
        host.call(1, "count").await;
        let answer = host.hear().await;
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!(1), &json!(-32000)),
            "{text}: {answer}"
        );
        let said = answer["error"]["message"].as_str().unwrap();
        assert!(text.starts_with("not") || said.contains(text), "{said}");
        // The next line is the next answer.
        host.say(json!({"jsonrpc": "2.0", "id": 2, "method": "ping"})).await;
        assert_eq!(
            host.hear().await,
            result(&Asked { method: Method::POST, session: None, message: json!({"id": 2}) })
        );
        host.end().await.unwrap();
    }
}

/// Proves the same of events: what is no message is left out, and an answer to something else ends the waiting (case 170).
#[tokio::test]
async fn relay_answers_a_request_whatever_events_came() {
    for (events, ends, expected) in [
        ("data: {}\n\ndata: null\n\ndata: oops\n\n", true, "lost"),
        ("data: {\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}\n\n", false, "no answer"),
        (
            "data: {\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"m\"}}\n\n",
            false,
            "no answer",
        ),
        ("data: {}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n", false, ""),
    ] {
        let server = Scripted::start(move |asked, at| match is_call(asked) {
            true => Said::Events(events.into(), ends),
            false => proper(asked, at),
        })
        .await;
        let mut host = Host::at(&server.url()).await;
        host.call(1, "count").await;
        let answer = host.hear().await;
        assert_eq!(answer["id"], 1, "{events}: {answer}");
        match expected {
            "" => assert!(answer["result"].is_object(), "{answer}"),
            expected => assert!(answer["error"]["message"].as_str().unwrap().contains(expected), "{answer}"),
        }
        host.end().await.unwrap();
    }
}

/// Proves that an event of another name is no message, not to the host and not where a new session is begun (case 171).
#[tokio::test]
async fn relay_ignores_named_events_before_the_answer_to_initialize() {
    let server = Scripted::start(|asked, at| match asked.session.as_deref() {
        _ if asked.is("initialize") => {
            let answer = result(asked);
            let other =
                json!({"jsonrpc": "2.0", "id": asked.message["id"], "result": {"protocolVersion": "1"}});
            Said::Events(format!("event: hello\ndata: {other}\n\nevent: message\ndata: {answer}\n\n"), true)
        }
        _ => proper(asked, at),
    })
    .await;
    let mut host = Host::at(&server.url()).await;
    host.call(1, "count").await;
    assert_eq!(host.hear().await["id"], 1);
    host.end().await.unwrap();
}

/// Proves that a relay whose input ends while the session is being begun ends within ten seconds, that it goes on reading
/// meanwhile, and that every request read has an answer (case 169).
#[tokio::test]
async fn relay_ends_in_time_though_the_session_never_begins() {
    for hangs in ["initialize", "notifications/initialized"] {
        let server = Scripted::start(move |asked, at| match asked.is(hangs) {
            true => Said::Never,
            false => proper(asked, at),
        })
        .await;
        let mut host = Host::of_url(&server.url());
        host.say(json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": {}})).await;
        if hangs != "initialize" {
            host.hear().await;
        }
        host.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        // Read while the other hangs: this line is answered by the relay itself.
        host.raw("{oops").await;
        assert_eq!(host.hear().await["error"]["code"], -32700);
        host.call(7, "count").await;
        let begun = Instant::now();
        drop(host.input.take());
        let mut answered = Vec::new();
        while answered.len() < if hangs == "initialize" { 2 } else { 1 } {
            let answer = host.hear().await;
            assert_eq!(answer["error"]["code"], -32000, "{answer}");
            answered.push(answer["id"].clone());
        }
        assert!(answered.contains(&json!(7)), "{answered:?}");
        within("the relay's end", host.relay).await.unwrap().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "{hangs}: {:?}", begun.elapsed());
    }
}
