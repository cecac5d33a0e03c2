//! Several messages in one, as revision 2025-03-26 had them, where not all that is due comes.

use super::relaying::Host;
use super::scripted::{Said, Scripted, proper};
use afield_testkit::within;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Three requests and a notification.
const BATCH: &str = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":"2","method":"ping"},{"jsonrpc":"2.0","id":3,"method":"ping"}]"#;

fn said(id: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "result": {}})
}

/// A server that answers such a message so.
async fn server(says: impl Fn() -> Said + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |asked, at| if asked.message.is_array() { says() } else { proper(asked, at) }).await
}

/// The ids of the next errors, in order of their texts.
async fn refused(host: &mut Host, many: usize) -> Vec<Value> {
    let mut ids = Vec::new();
    for _ in 0..many {
        let answer = host.hear().await;
        assert_eq!(answer["error"]["code"], -32000, "{answer}");
        assert_eq!(answer["error"]["data"]["afield"]["mayHaveBeenExecuted"], true, "{answer}");
        ids.push(answer["id"].clone());
    }
    ids.sort_by_key(Value::to_string);
    ids
}

/// Proves that each request of a batch that is under way when the input ends has its answer, or an error in time, and none has
/// both (case 169).
#[tokio::test]
async fn relay_answers_each_request_of_a_batch_when_its_input_ends() {
    let silent = async {
        let server = server(|| Said::Never).await;
        let mut host = Host::at(&server.url()).await;
        host.raw(BATCH).await;
        let begun = Instant::now();
        drop(host.input.take());
        assert_eq!(refused(&mut host, 3).await, [json!("2"), json!(1), json!(3)]);
        within("the relay's end", host.relay).await.unwrap().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert!(host.output.next_line().await.unwrap().is_none());
    };
    let halting = async {
        let server = server(|| Said::Events(format!("data: {}\n\n", said("2")), false)).await;
        let mut host = Host::at(&server.url()).await;
        host.raw(BATCH).await;
        drop(host.input.take());
        assert_eq!(host.hear().await, said("2"));
        assert_eq!(refused(&mut host, 2).await, [json!(1), json!(3)]);
        within("the relay's end", host.relay).await.unwrap().unwrap();
        assert!(host.output.next_line().await.unwrap().is_none());
    };
    tokio::join!(silent, halting);
}

/// Proves that a batch is answered as the server likes, in one message or in several, and that of a stream which ends early
/// only the rest is told as lost (case 170).
#[tokio::test]
async fn relay_tells_of_a_batch_only_what_is_missing() {
    let all = json!([said(1), said("2"), said(3)]);
    let whole = all.clone();
    let server_of_one = server(move || Said::json(200, &whole)).await;
    let mut host = Host::at(&server_of_one.url()).await;
    host.raw(BATCH).await;
    assert_eq!(host.hear().await, all);
    host.end().await.unwrap();
    for (events, missing) in [
        (format!("data: {}\n\ndata: {}\n\ndata: {}\n\n", said(1), said("2"), said(3)), vec![]),
        (format!("data: {}\n\ndata: {}\n\n", said(3), said(1)), vec![json!("2")]),
        (format!("data: {}\n\n", json!([said(3)])), vec![json!("2"), json!(1)]),
    ] {
        let came = 3 - missing.len();
        let server = server(move || Said::Events(events.clone(), true)).await;
        let mut host = Host::at(&server.url()).await;
        host.raw(BATCH).await;
        for _ in 0..came {
            let answer = host.hear().await;
            assert!(answer.is_array() || answer["result"].is_object(), "{answer}");
        }
        assert_eq!(refused(&mut host, missing.len()).await, missing);
        host.end().await.unwrap();
    }
}
