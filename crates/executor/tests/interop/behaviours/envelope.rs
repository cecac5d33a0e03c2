use super::{Behaviour, Bench, decode, differs, encode, same, sum_up};
use afield_testkit::peer::Message;
use serde_json::{Value, json};

const BAD: &str = "-32600 under id -1; the connection lives";

pub fn behaviours() -> Vec<Behaviour> {
    vec![
        same("a message that is not JSON", BAD, async |bench: &Bench| bad(bench, "nonsense").await),
        same("an empty message", BAD, async |bench: &Bench| bad(bench, "").await),
        same("a batch", BAD, async |bench: &Bench| {
            bad(bench, r#"[{"id":1,"method":"environment/status"}]"#).await
        }),
        same("a number", BAD, async |bench: &Bench| bad(bench, "5").await),
        same("text after the message", BAD, async |bench: &Bench| {
            bad(bench, r#"{"id":1,"method":"environment/status"} x"#).await
        }),
        same("a duplicate key", BAD, async |bench: &Bench| {
            bad(bench, r#"{"id":1,"method":"zzz","params":{"a":1,"a":2}}"#).await
        }),
        same("an id that is null, fractional, a boolean or an object", BAD, async |bench: &Bench| {
            let mut outcome = String::new();
            for id in ["null", "1.5", "true", "{}"] {
                outcome = bad(bench, &format!(r#"{{"id":{id},"method":"environment/status"}}"#)).await;
                if outcome != BAD {
                    break;
                }
            }
            outcome
        }),
        same("values nested 200 deep", BAD, async |bench: &Bench| {
            let (open, close) = ("[".repeat(200), "]".repeat(200));
            bad(bench, &format!(r#"{{"id":1,"method":"zzz","params":{open}{close}}}"#)).await
        }),
        same("ids that are text or negative", "returned as they came", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            for id in [json!("text"), json!(-3), json!(9_007_199_254_740_993_i64)] {
                wire.send_json(json!({ "jsonrpc": "2.0", "id": id, "method": "environment/status" })).await;
                let answer = wire.answer(&id).await;
                assert_eq!(answer["result"]["status"], "ready", "{answer}");
            }
            "returned as they came".to_owned()
        }),
        same("JSON in a binary message", "answered", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            wire.send(Message::binary(br#"{"id":"b","method":"environment/status","params":{}}"#.to_vec()))
                .await;
            let answer = wire.answer(&json!("b")).await;
            if answer["result"]["status"] == "ready" { "answered".to_owned() } else { sum_up(&answer) }
        }),
        same("an unknown method", "-32601; the connection lives", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            let outcome = sum_up(&wire.call("novelty/do", json!({})).await);
            format!("{outcome}; {}", wire.pulse().await)
        }),
        same("params that are not an object", "-32602; the connection lives", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            let outcome = sum_up(&wire.call("http/request", json!("text")).await);
            format!("{outcome}; {}", wire.pulse().await)
        }),
        same("a field that is missing", "-32602, naming it", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            let answer = wire.call("http/request", bench.get("/echo", json!({ "url": null }))).await;
            let named = answer["error"]["message"].as_str().is_some_and(|message| message.contains("url"));
            format!("{}{}", sum_up(&answer), if named { ", naming it" } else { "" })
        }),
        differs(
            "a field of another type",
            "-32602, naming it",
            "-32602",
            "who has to mend the request must know which field",
            async |bench: &Bench| {
                let mut wire = bench.dial().await;
                let answer = wire.call("http/request", bench.get("/echo", json!({ "timeoutMs": "5" }))).await;
                let named = answer["error"]["message"].as_str().is_some_and(|m| m.contains("timeoutMs"));
                format!("{}{}", sum_up(&answer), if named { ", naming it" } else { "" })
            },
        ),
        differs(
            "an unknown notification",
            "the connection lives",
            "the connection is dropped",
            "a newer peer may say more than an older one understands",
            async |bench: &Bench| after(bench, json!({ "method": "novelty/happened", "params": {} })).await,
        ),
        differs(
            "an answer to a question nobody asked",
            "the connection lives",
            "the connection is dropped",
            "an answer that comes late must not cost the other calls their connection",
            async |bench: &Bench| after(bench, json!({ "id": 77, "result": {} })).await,
        ),
        differs(
            "a request of 17 MiB in one frame",
            "17825792 bytes reach the origin",
            "the connection is dropped",
            "a message may be as large as the message limit, however its sender frames it",
            async |bench: &Bench| {
                let body = encode(vec![b'x'; 17 * 1024 * 1024]);
                let params = bench.get("/upload", json!({ "method": "POST", "bodyBase64": body }));
                let answer = bench.dial().await.call("http/request", params).await;
                match answer["result"]["bodyBase64"].as_str() {
                    Some(body) => {
                        let received: Value = serde_json::from_slice(&decode(body)).unwrap();
                        format!("{} bytes reach the origin", received["bytes"])
                    }
                    None => sum_up(&answer),
                }
            },
        ),
    ]
}

/// What answers a message that cannot be understood, and what becomes of the connection.
async fn bad(bench: &Bench, text: &str) -> String {
    let mut wire = bench.dial().await;
    wire.send(text).await;
    let Some(answer) = wire.next().await else { return "the connection is dropped".to_owned() };
    format!("{} under id {}; {}", sum_up(&answer), answer["id"], wire.pulse().await)
}

/// What becomes of the connection after a message that has no answer.
async fn after(bench: &Bench, message: Value) -> String {
    let mut wire = bench.dial().await;
    wire.send_json(message).await;
    wire.pulse().await
}
