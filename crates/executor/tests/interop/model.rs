use crate::web;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A stand-in for a model behind the Responses API: it calls the tool `echo` of the MCP server `demo` as often as it is
/// told to, then says that it is done. What it was asked is kept.
pub struct Model {
    server: web::Server,
    turns: Arc<Mutex<Vec<Value>>>,
}

impl Model {
    pub async fn calling(times: usize) -> Self {
        let turns = Arc::new(Mutex::new(Vec::new()));
        let kept = turns.clone();
        let server = web::Server::start(move |request, _| {
            if request.method() != "POST" || request.uri().path() != "/v1/responses" {
                return web::json(404, &json!({}));
            }
            let turn: Value = serde_json::from_slice(request.body()).unwrap();
            let said = say(&turn, times);
            kept.lock().unwrap().push(turn);
            said
        })
        .await;
        Self { server, turns }
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1", self.server.address)
    }

    /// The tools of the MCP server `demo` that the model was offered.
    pub fn tools_offered(&self) -> Vec<String> {
        let turns = self.turns.lock().unwrap();
        let tools = turns.iter().filter_map(|turn| turn["tools"].as_array()).flatten();
        let demo =
            tools.filter(|tool| tool["name"] == NAMESPACE).filter_map(|space| space["tools"].as_array());
        demo.flatten().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What came of each of the calls, as it reached the model.
    pub fn tool_outputs(&self) -> Vec<String> {
        let turns = self.turns.lock().unwrap();
        turns.last().map(|turn| tool_outputs(turn).map(Value::to_string).collect()).unwrap_or_default()
    }
}

const NAMESPACE: &str = "mcp__demo";

fn say(turn: &Value, times: usize) -> hyper::Response<http_body_util::Full<bytes::Bytes>> {
    let called = tool_outputs(turn).count();
    let item = match called < times {
        true => json!({
            "type": "function_call",
            "call_id": format!("call-{called}"),
            "namespace": NAMESPACE,
            "name": "echo",
            "arguments": json!({ "text": "over there" }).to_string(),
        }),
        false => json!({
            "type": "message",
            "id": "message-1",
            "role": "assistant",
            "content": [{ "type": "output_text", "text": "done" }],
        }),
    };
    let usage = json!({ "input_tokens": 0, "output_tokens": 0, "total_tokens": 0 });
    web::events(&[
        json!({ "type": "response.created", "response": { "id": "response-1" } }),
        json!({ "type": "response.output_item.done", "item": item }),
        json!({ "type": "response.completed", "response": { "id": "response-1", "usage": usage } }),
    ])
}

fn tool_outputs(turn: &Value) -> impl Iterator<Item = &Value> {
    let items = turn["input"].as_array().into_iter().flatten();
    items.filter(|item| item["type"] == "function_call_output").map(|item| &item["output"])
}
