//! When a client says that requests are over.

use afield_exchange::Request;
use afield_protocol::{
    client::{HeadPoll, decode},
    resumable::{CallText, ClientConfig, ResumableClient, Transmit},
    wire::Features,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_millis(5);

fn client() -> ResumableClient {
    let mut client = ResumableClient::new(ClientConfig {
        window_bytes: 1000,
        server_window_bytes: 1000,
        body_message_bytes: 0,
        features: Features::ALL,
        ends_uploads: true,
    });
    says(&mut client);
    client
}

fn says(client: &mut ResumableClient) -> Vec<Value> {
    let said = std::iter::from_fn(|| client.poll_transmit()).map(|transmit| match transmit {
        Transmit::Text(text) => serde_json::from_slice(&text).unwrap(),
        Transmit::Body(body) => panic!("{body:?}"),
    });
    said.collect()
}

/// Asks, and hears and takes the answer. Returns what was said meanwhile.
fn exchange(client: &mut ResumableClient, now: Instant) -> (u64, Vec<Value>) {
    let id = client.call(CallText::new(&Request::new("GET", "http://h/")), false);
    let said = says(client);
    let result = json!({"status": 204, "headers": [], "bodyBase64": "", "bodyComplete": true});
    client.handle(decode(&json!({"id": id, "result": result}).to_string().into()));
    assert!(matches!(client.poll_answer(now, id), HeadPoll::Answer(_)));
    client.done(now, id);
    (id, said)
}

fn is_final(message: &Value, id: u64) -> bool {
    message["params"] == json!({"requestId": id, "offset": 0, "final": true})
}

/// Proves that what is over is said before the next request, in one go with it, so that its place is free there by then.
#[test]
fn finals_go_before_the_next_request() {
    let (mut client, now) = (client(), Instant::now());
    let (first, _) = exchange(&mut client, now);
    assert_eq!(says(&mut client), [] as [Value; 0]);
    assert_eq!(client.queued(), 0, "nobody is woken for it");
    let (second, said) = exchange(&mut client, now);
    assert!(said.len() == 2 && is_final(&said[0], first) && said[1]["id"] == second, "{said:?}");
}

/// Proves that where nothing else is said they go after a moment, each once.
#[test]
fn finals_go_alone_after_a_moment() {
    let (mut client, now) = (client(), Instant::now());
    let (first, _) = exchange(&mut client, now);
    let (second, _) = exchange(&mut client, now + PATIENCE / 2);
    assert_eq!(client.poll_timeout(), Some(now + PATIENCE));
    client.handle_timeout(now + PATIENCE / 2);
    assert_eq!(says(&mut client), [] as [Value; 0]);
    client.handle_timeout(now + PATIENCE);
    let said = says(&mut client);
    assert!(
        said.len() == 1 && is_final(&said[0], second),
        "{first} was said with the second request: {said:?}"
    );
    assert_eq!(client.poll_timeout(), None);
    client.handle_timeout(now + 2 * PATIENCE);
    assert_eq!(says(&mut client), [] as [Value; 0]);
}

/// Proves that no more than 32 wait, for the executor keeps the answer of each.
#[test]
fn finals_that_are_many_go_at_once() {
    let (mut client, now) = (client(), Instant::now());
    let ids: Vec<u64> =
        (0..32).map(|_| client.call(CallText::new(&Request::new("GET", "http://h/")), false)).collect();
    says(&mut client);
    for (n, id) in ids.iter().enumerate() {
        let result = json!({"status": 204, "headers": [], "bodyBase64": "", "bodyComplete": true});
        client.handle(decode(&json!({"id": id, "result": result}).to_string().into()));
        assert!(matches!(client.poll_answer(now, *id), HeadPoll::Answer(_)));
        assert_eq!(client.queued(), 0, "{n}");
        client.done(now, *id);
    }
    assert_eq!(says(&mut client).len(), 32);
}

/// Proves that a session that ends says them, and that one whose connection is lost does not: what is not listed at the next
/// `session/sync` is forgotten.
#[test]
fn finals_are_said_at_the_end_and_not_after_a_loss() {
    let (mut client, now) = (client(), Instant::now());
    let (id, _) = exchange(&mut client, now);
    client.withdraw("it was closed");
    let said = says(&mut client);
    assert!(said.len() == 1 && is_final(&said[0], id), "{said:?}");
    exchange(&mut client, now);
    client.detach();
    client.attach();
    client.handle_timeout(now + PATIENCE);
    let methods: Vec<Value> = says(&mut client).iter().map(|said| said["method"].clone()).collect();
    assert_eq!(methods, ["initialized", "session/sync"]);
}
