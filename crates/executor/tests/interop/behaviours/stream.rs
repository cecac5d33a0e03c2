use super::{Behaviour, Bench, decode, differs, same, sum_up};
use crate::wire::Wire;
use afield_testkit::{RawOrigin, Script, origin::Outcome, pattern};
use serde_json::{Value, json};

pub fn behaviours() -> Vec<Behaviour> {
    let mut all = deltas();
    all.extend(endings());
    all
}

fn deltas() -> Vec<Behaviour> {
    vec![
        same(
            "a streamed body of 3 MiB",
            "head first, every byte in order, one last delta without bytes",
            async |bench: &Bench| {
                let stream = streamed(bench, "/chunked/3145728").await;
                assert_eq!(pattern::sha256_of(&stream.body), pattern::sha256(3_145_728));
                format!("{}, every byte in order, one last delta without bytes", stream.opening())
            },
        ),
        same("a streamed answer without a body", "the last delta alone", async |bench: &Bench| {
            let stream = streamed(bench, "/status/204").await;
            if stream.deltas == 1 {
                "the last delta alone".to_owned()
            } else {
                format!("{} deltas", stream.deltas)
            }
        }),
        same("events that come one by one", "each is passed on before the next", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            wire.ask("http/request", bench.stream("/half/20?then=rest", "half", json!({}))).await;
            let first = wire.delta("half").await;
            assert_eq!(decode(first["deltaBase64"].as_str().unwrap()), pattern::bytes(0, 10), "{first}");
            bench.origin.open_gate("rest");
            let second = wire.delta("half").await;
            assert_eq!(decode(second["deltaBase64"].as_str().unwrap()), pattern::bytes(10, 10), "{second}");
            "each is passed on before the next".to_owned()
        }),
        differs(
            "1,000 events at once",
            "fewer than 256 deltas",
            "a delta for each event",
            "reference clients give a stream up that has 256 deltas queued",
            async |bench: &Bench| match streamed(bench, "/sse?n=1000").await.deltas {
                ..256 => "fewer than 256 deltas".to_owned(),
                1000.. => "a delta for each event".to_owned(),
                count => format!("{count} deltas"),
            },
        ),
        same(
            "the id of an active stream",
            "-32602 `http/request streamResponse requestId `twice` is already active`; the first stream goes on",
            async |bench: &Bench| {
                let mut wire = bench.dial().await;
                wire.ask("http/request", bench.stream("/half/2?then=twice", "twice", json!({}))).await;
                wire.delta("twice").await;
                let second = wire.call("http/request", bench.stream("/echo", "twice", json!({}))).await;
                let outcome = sum_up(&second);
                bench.origin.open_gate("twice");
                let rest = wire.delta("twice").await;
                let goes_on = decode(rest["deltaBase64"].as_str().unwrap()) == pattern::bytes(1, 1);
                format!("{outcome}; the first stream {}", if goes_on { "goes on" } else { "ends" })
            },
        ),
        same("the id of a stream that awaits its head", "taken", async |bench: &Bench| {
            let count = bench.origin.received() as usize;
            let mut wire = bench.dial().await;
            wire.ask("http/request", bench.stream("/slow-head", "twice", json!({}))).await;
            bench.origin.request(count).await;
            let second = wire.call("http/request", bench.stream("/echo", "twice", json!({}))).await;
            let outcome = sum_up(&second);
            if outcome.ends_with("is already active`") { "taken".to_owned() } else { outcome }
        }),
        same("a buffered call under the id of an active stream", "status 200", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            let id = wire.ask("http/request", bench.stream("/sse-open", "shared", json!({}))).await;
            wire.answer(&id).await;
            sum_up(&wire.call("http/request", bench.get("/echo", json!({ "requestId": "shared" }))).await)
        }),
        same("the id of a stream whose last delta has come", "free, 20 times over", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            for _ in 0..20 {
                let answer = wire.call("http/request", bench.stream("/echo", "again", json!({}))).await;
                if sum_up(&answer) != "status 200" {
                    return sum_up(&answer);
                }
                while wire.delta("again").await["done"] == false {}
            }
            "free, 20 times over".to_owned()
        }),
    ]
}

fn endings() -> Vec<Behaviour> {
    const ERROR: &str = "the bytes that came, then a last delta with an error";
    vec![
        same("a streamed body shorter than announced", ERROR, async |bench: &Bench| {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
            let origin = RawOrigin::always(Script::new().expect_request().send(&answer[..])).await;
            let mut wire = bench.dial().await;
            wire.ask("http/request", bench.stream("", "cut", json!({ "url": origin.url("/") }))).await;
            ending(&mut wire, "cut", b"abc").await
        }),
        same("a timeout in a streamed body", ERROR, async |bench: &Bench| {
            let changes = json!({ "timeoutMs": 500 });
            let mut wire = bench.dial().await;
            wire.ask("http/request", bench.stream("/half/20?then=never", "late", changes)).await;
            ending(&mut wire, "late", &pattern::bytes(0, 10)).await
        }),
        same(
            "a streamed call that fails before its head",
            "-32603 `http/request failed:`",
            async |bench: &Bench| {
                let params = bench.stream("", "none", json!({ "url": "http://127.0.0.1:1/" }));
                bench.outcome(params).await
            },
        ),
        same(
            "the connection is lost under a silent stream",
            "the origin's connection is closed",
            async |bench: &Bench| {
                let count = bench.origin.received() as usize;
                let mut wire = bench.dial().await;
                let id = wire.ask("http/request", bench.stream("/sse-open", "silent", json!({}))).await;
                wire.answer(&id).await;
                let request = bench.origin.request(count).await;
                wire.cut();
                assert_eq!(request.wait_ended().await, Outcome::Abandoned);
                "the origin's connection is closed".to_owned()
            },
        ),
        same(
            "the connection is lost before a stream's head",
            "the origin's connection is closed",
            async |bench: &Bench| {
                let count = bench.origin.received() as usize;
                let mut wire = bench.dial().await;
                wire.ask("http/request", bench.stream("/slow-head", "silent", json!({}))).await;
                let request = bench.origin.request(count).await;
                wire.cut();
                assert_eq!(request.wait_ended().await, Outcome::Abandoned);
                "the origin's connection is closed".to_owned()
            },
        ),
        differs(
            "`http/request/cancel`",
            "the stream ends as cancelled and the origin's connection is closed",
            "the connection is dropped",
            "sent only where the executor advertises `httpRequestCancel`",
            async |bench: &Bench| {
                let count = bench.origin.received() as usize;
                let mut wire = bench.dial().await;
                let id = wire.ask("http/request", bench.stream("/sse-open", "cancel", json!({}))).await;
                wire.answer(&id).await;
                let request = bench.origin.request(count).await;
                let params = json!({ "requestId": "cancel" });
                wire.send_json(json!({ "method": "http/request/cancel", "params": params })).await;
                let last = wire.delta("cancel").await;
                if last["dropped"] == true {
                    return "the connection is dropped".to_owned();
                }
                assert_eq!((&last["done"], &last["error"]), (&json!(true), &json!("cancelled")), "{last}");
                assert_eq!(request.wait_ended().await, Outcome::Abandoned);
                "the stream ends as cancelled and the origin's connection is closed".to_owned()
            },
        ),
    ]
}

/// A stream read to its clean end, its rules checked on the way.
struct Streamed {
    head_first: bool,
    deltas: usize,
    body: Vec<u8>,
}

impl Streamed {
    fn opening(&self) -> &'static str {
        if self.head_first { "head first" } else { "a delta before the head" }
    }
}

async fn streamed(bench: &Bench, route: &str) -> Streamed {
    let mut wire = bench.dial().await;
    wire.ask("http/request", bench.stream(route, "s", json!({}))).await;
    let head = wire.next().await.unwrap();
    let head_first = head["result"]["bodyBase64"] == "";
    let mut stream = Streamed { head_first, deltas: 0, body: Vec::new() };
    loop {
        let delta = wire.delta("s").await;
        stream.deltas += 1;
        assert_eq!(delta["seq"], stream.deltas, "numbered from 1 without a gap");
        assert_eq!(delta["error"], Value::Null, "{delta}");
        let bytes = decode(delta["deltaBase64"].as_str().unwrap());
        stream.body.extend_from_slice(&bytes);
        if delta["done"] == true {
            assert!(bytes.is_empty(), "the last delta has no bytes");
            return stream;
        }
    }
}

/// Reads a stream that fails after `bytes`.
async fn ending(wire: &mut Wire, request_id: &str, bytes: &[u8]) -> String {
    let mut body = Vec::new();
    loop {
        let delta = wire.delta(request_id).await;
        body.extend_from_slice(&decode(delta["deltaBase64"].as_str().unwrap()));
        if delta["done"] == true {
            assert_eq!(body, bytes);
            return match delta["error"].as_str() {
                Some(_) => "the bytes that came, then a last delta with an error".to_owned(),
                None => "a clean end".to_owned(),
            };
        }
    }
}
