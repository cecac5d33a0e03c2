use super::{Behaviour, Bench, differs, same, sum_up};
use crate::wire::Wire;
use afield_testkit::within;
use serde_json::{Value, json};

/// The reference's code for a session that another connection has.
const ATTACHED: i64 = -32010;

pub fn behaviours() -> Vec<Behaviour> {
    vec![
        same(
            "`initialize`",
            "a session id, a shell, a platform and the capability httpHeaderEnvVars",
            async |bench: &Bench| {
                let result = Wire::open(bench.executor).await.initialize(Value::Null).await;
                let info = &result["environmentInfo"];
                let texts = [
                    &result["sessionId"],
                    &info["shell"]["name"],
                    &info["shell"]["path"],
                    &info["platformOs"],
                ];
                assert!(texts.iter().all(|text| text.is_string()), "{result}");
                assert_eq!(info["capabilities"]["httpHeaderEnvVars"], true, "{result}");
                "a session id, a shell, a platform and the capability httpHeaderEnvVars".to_owned()
            },
        ),
        same(
            "`initialize` without `resumeSessionId`, with fields nobody knows",
            "a session",
            async |bench: &Bench| {
                let mut wire = Wire::open(bench.executor).await;
                let answer = wire.call("initialize", json!({ "clientName": "x", "novelty": [1] })).await;
                if answer["result"]["sessionId"].is_string() {
                    "a session".to_owned()
                } else {
                    sum_up(&answer)
                }
            },
        ),
        same(
            "a request before `initialize`",
            "-32600 `client must call initialize before using http methods`",
            async |bench: &Bench| {
                let mut wire = Wire::open(bench.executor).await;
                sum_up(&wire.call("http/request", bench.get("/echo", json!({}))).await)
            },
        ),
        same(
            "a request before `initialized`",
            "-32600 `client must send initialized before using http methods`",
            async |bench: &Bench| {
                let mut wire = Wire::open(bench.executor).await;
                wire.call("initialize", json!({ "clientName": "x" })).await;
                sum_up(&wire.call("http/request", bench.get("/echo", json!({}))).await)
            },
        ),
        same(
            "a second `initialize`",
            "-32600 `initialize may only be sent once per connection`",
            async |bench: &Bench| {
                sum_up(&bench.dial().await.call("initialize", json!({ "clientName": "x" })).await)
            },
        ),
        same("`initialize` again after one that failed", "a session", async |bench: &Bench| {
            let mut wire = Wire::open(bench.executor).await;
            let failed = wire.call("initialize", json!({ "clientName": 5 })).await;
            assert_eq!(failed["error"]["code"], -32602, "{failed}");
            let answer = wire.call("initialize", json!({ "clientName": "x" })).await;
            if answer["result"]["sessionId"].is_string() { "a session".to_owned() } else { sum_up(&answer) }
        }),
        same("resuming a session nobody knows", "-32600 `unknown session id`", async |bench: &Bench| {
            let mut wire = Wire::open(bench.executor).await;
            sum_up(&wire.call("initialize", json!({ "clientName": "x", "resumeSessionId": "x" })).await)
        }),
        same(
            "resuming a session whose connection has ended",
            "the same session id",
            async |bench: &Bench| {
                let mut first = Wire::open(bench.executor).await;
                let session = first.initialize(Value::Null).await["sessionId"].clone();
                // A call in flight ends with its connection: once the origin has seen that, the loss was noticed.
                let count = bench.origin.received() as usize;
                first.ask("http/request", bench.stream("/sse-open", "s", json!({}))).await;
                let request = bench.origin.request(count).await;
                first.cut();
                request.wait_ended().await;
                // The reference notices for the session a little later than for the call.
                let mut wire = Wire::open(bench.executor).await;
                let params = json!({ "clientName": "x", "resumeSessionId": session });
                let answer = within("the session is free", async {
                    loop {
                        let answer = wire.call("initialize", params.clone()).await;
                        if answer["error"]["code"] != ATTACHED {
                            return answer;
                        }
                    }
                })
                .await;
                match answer["result"]["sessionId"] == session {
                    true => "the same session id".to_owned(),
                    false => sum_up(&answer),
                }
            },
        ),
        differs(
            "resuming a session whose connection is alive",
            "the session; for the older one, the connection is closed with 4001",
            "-32010; for the older one, the connection lives",
            "a client that lost its connection knows so before the executor does, and must not wait for it",
            async |bench: &Bench| {
                let mut older = Wire::open(bench.executor).await;
                let session = older.initialize(Value::Null).await["sessionId"].clone();
                let mut newer = Wire::open(bench.executor).await;
                let params = json!({ "clientName": "x", "resumeSessionId": session });
                let answer = newer.call("initialize", params).await;
                let outcome = match answer["result"]["sessionId"] == session {
                    true => "the session".to_owned(),
                    false => sum_up(&answer),
                };
                format!("{outcome}; for the older one, {}", older.pulse().await)
            },
        ),
        same("`environment/info`", "what `initialize` said", async |bench: &Bench| {
            let mut wire = Wire::open(bench.executor).await;
            let said = wire.initialize(Value::Null).await;
            let answer = wire.call("environment/info", json!({})).await;
            if answer["result"] == said["environmentInfo"] {
                "what `initialize` said"
            } else {
                "something else"
            }
            .to_owned()
        }),
        same("`environment/status`", r#"{"status":"ready"}"#, async |bench: &Bench| {
            bench.dial().await.call("environment/status", json!({})).await["result"].to_string()
        }),
    ]
}
