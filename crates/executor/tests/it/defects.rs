//! A defect in one call.

use crate::support::{Base, Running, get, kind, stream};
use afield_egress::{HeaderVariables, VariableError};
use afield_testkit::{Origin, pattern};
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;

struct Defective;

impl HeaderVariables for Defective {
    fn lookup(&self, _: &str, _: &str) -> Result<Bytes, VariableError> {
        panic!("a defect, injected by a test")
    }
}

/// Proves that a call whose task panics is answered with kind `internal`, gives its place and its id back, and harms
/// neither the calls beside it nor its connection.
#[tokio::test]
async fn case_078_a_defect_in_one_call_is_answered_and_harms_no_other() {
    let executor = Running::with(|config| {
        config.egress.variables = Arc::new(Defective);
        config.egress.limits.requests = 2;
        config.egress.limits.session_requests = 2;
    })
    .await;
    let origin = Origin::start().await;
    let mut peer = executor.connect().await;
    peer.open_stream(origin.url("/half/1000?then=rest"), "beside").await;
    for streamed in [false, true, false, true] {
        let mut defective = stream(origin.url("/echo"), "defective");
        defective["streamResponse"] = json!(streamed);
        defective["headers"] = json!([{ "name": "x", "value": "", "valueEnvVar": "V" }]);
        let answer = peer.request(defective).await;
        assert_eq!((&answer["error"]["code"], kind(&answer)), (&json!(-32603), "internal"));
        assert_eq!(answer["error"]["data"]["blame"], "executor");
        assert!(!answer.to_string().contains("injected"), "what panicked is for the log: {answer}");
    }
    assert_eq!(peer.request(get(origin.url("/echo"))).await["result"]["status"], 200);
    origin.open_gate("rest");
    assert_eq!(peer.rest("beside", 1).await, (pattern::bytes(0, 1000).to_vec(), None));
}
