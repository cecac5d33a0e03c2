//! Tools that need input of the client before they answer, as revisions without sessions do it: the result says what is
//! needed, and the call is made again with it.

use crate::typed::{complete, typed};
use rmcp::{
    ErrorData,
    model::{CallToolResult, InputRequiredResult, InputResponses, RequestStateCodec},
};
use serde_json::{Map, Value, json};

/// For tests: a real server keeps its key to itself.
const KEY: &[u8] = b"a key that only tests may know of";

/// What a call brings along.
pub struct Given<'a> {
    pub responses: Option<&'a InputResponses>,
    pub state: Option<&'a str>,
    /// The client's capabilities, as JSON.
    pub capabilities: Value,
}

/// What a call comes to.
pub enum Outcome {
    Done(CallToolResult),
    Needed(InputRequiredResult),
}

/// The state of a call between its rounds, sealed against the client that keeps it.
#[derive(Clone)]
pub struct States(RequestStateCodec);

impl States {
    pub fn new() -> Self {
        Self(RequestStateCodec::new_unchecked(KEY))
    }

    fn seal(&self, state: &Value) -> Result<String, ErrorData> {
        self.0.seal_json(state).map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }

    fn open(&self, sealed: &str) -> Result<Value, ErrorData> {
        self.0
            .open_json(sealed)
            .map_err(|_| ErrorData::invalid_params("requestState is not what was given out", None))
    }
}

impl Given<'_> {
    /// The answer to one of the questions, if it is of the shape of one.
    pub fn answer(&self, key: &str) -> Option<&Map<String, Value>> {
        self.responses?.get(key)?.as_object()
    }

    /// A text of an elicited answer.
    pub fn text(&self, key: &str, field: &str) -> Option<&str> {
        self.answer(key)?.get("content")?.get(field)?.as_str()
    }
}

pub fn elicitation(message: &str, field: &str, kind: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { field: { "type": kind } }, "required": [field] });
    json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message, "requestedSchema": schema } })
}

fn sampling(prompt: &str) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    json!({ "method": "sampling/createMessage", "params": { "messages": [message], "maxTokens": 100 } })
}

fn roots() -> Value {
    json!({ "method": "roots/list" })
}

pub fn needed(requests: Value, state: Option<String>) -> Result<InputRequiredResult, ErrorData> {
    let mut result = json!({ "resultType": "input_required", "inputRequests": requests });
    if let Some(state) = state {
        result["requestState"] = state.into();
    }
    typed(result)
}

fn done(text: impl Into<String>) -> Result<Outcome, ErrorData> {
    Ok(Outcome::Done(complete(json!({ "content": [{ "type": "text", "text": text.into() }] }))?))
}

/// Calls the tool `test_input_required_result_WHAT`, `None` if there is no such.
pub fn call(what: &str, given: &Given<'_>, states: &States) -> Option<Result<Outcome, ErrorData>> {
    Some(match what {
        "elicitation" => elicitation_tool(given),
        "sampling" => sampling_tool(given),
        "list_roots" => roots_tool(given),
        "request_state" | "tampered_state" => state_tool(given, states),
        "multiple_inputs" => multiple_tool(given, states),
        "multi_round" => rounds_tool(given, states),
        "capabilities" => capabilities_tool(given),
        _ => return None,
    })
}

fn name_needed() -> Value {
    elicitation("What is your name?", "name", "string")
}

fn elicitation_tool(given: &Given<'_>) -> Result<Outcome, ErrorData> {
    match given.answer("user_name") {
        Some(_) => done(format!("Hello, {}!", given.text("user_name", "name").unwrap_or("stranger"))),
        None => Ok(Outcome::Needed(needed(json!({ "user_name": name_needed() }), None)?)),
    }
}

fn sampling_tool(given: &Given<'_>) -> Result<Outcome, ErrorData> {
    match given.answer("capital_question") {
        Some(_) => {
            done(format!("It was said: {}", given.text("capital_question", "text").unwrap_or_default()))
        }
        None => {
            let requests = json!({ "capital_question": sampling("What is the capital of France?") });
            Ok(Outcome::Needed(needed(requests, None)?))
        }
    }
}

fn roots_tool(given: &Given<'_>) -> Result<Outcome, ErrorData> {
    match given.answer("client_roots") {
        Some(answer) => done(format!("Roots: {}", answer.get("roots").cloned().unwrap_or_default())),
        None => Ok(Outcome::Needed(needed(json!({ "client_roots": roots() }), None)?)),
    }
}

fn state_tool(given: &Given<'_>, states: &States) -> Result<Outcome, ErrorData> {
    match given.state {
        Some(sealed) => {
            states.open(sealed)?;
            done("Confirmed: state-ok")
        }
        None => {
            let requests = json!({ "confirm": elicitation("Go on?", "ok", "boolean") });
            Ok(Outcome::Needed(needed(requests, Some(states.seal(&json!({ "stage": "confirm" }))?))?))
        }
    }
}

fn multiple_tool(given: &Given<'_>, states: &States) -> Result<Outcome, ErrorData> {
    if let Some(sealed) = given.state {
        states.open(sealed)?;
    }
    let keys = ["user_name", "greeting", "client_roots"];
    if given.state.is_some() && keys.iter().all(|key| given.answer(key).is_some()) {
        return done("Everything was answered.");
    }
    let requests = json!({ keys[0]: name_needed(), keys[1]: sampling("Say hello."), keys[2]: roots() });
    Ok(Outcome::Needed(needed(requests, Some(states.seal(&json!({ "stage": "gather" }))?))?))
}

fn rounds_tool(given: &Given<'_>, states: &States) -> Result<Outcome, ErrorData> {
    let round = match given.state {
        Some(sealed) => states.open(sealed)?["round"].as_u64().unwrap_or(0),
        None => 0,
    };
    let requests = match round {
        0 => json!({ "step1": elicitation("Step 1: what is your name?", "name", "string") }),
        1 => json!({ "step2": elicitation("Step 2: which colour do you like?", "color", "string") }),
        _ => return done("That was all."),
    };
    Ok(Outcome::Needed(needed(requests, Some(states.seal(&json!({ "round": round + 1 }))?))?))
}

/// Asks only for what the client says it can answer.
fn capabilities_tool(given: &Given<'_>) -> Result<Outcome, ErrorData> {
    if given.responses.is_some() {
        return done("What could be answered was.");
    }
    let mut requests = Map::new();
    for (capability, key, request) in [
        ("elicitation", "user_name", name_needed()),
        ("sampling", "greeting", sampling("Say hello.")),
        ("roots", "client_roots", roots()),
    ] {
        if given.capabilities.get(capability).is_some_and(|capability| !capability.is_null()) {
            requests.insert(key.to_owned(), request);
        }
    }
    match requests.is_empty() {
        true => done("This client can answer nothing."),
        false => Ok(Outcome::Needed(needed(requests.into(), None)?)),
    }
}
