//! How servers say that they do not know a session: the standard has 404, and servers have more.

use http::StatusCode;
use rmcp::model::ErrorData;
use serde::Deserialize;

/// The longest refusal that is looked at, in bytes.
pub(crate) const LONGEST: usize = 64 * 1024;

/// What servers say; in lower case.
const WORDS: &[&str] = &[
    "no valid session",
    "session not found",
    "session id not found",
    "session expired",
    "session has expired",
    "session terminated",
    "session has been terminated",
    "session does not exist",
    "invalid session",
    "invalid or missing session",
    "invalid or expired session",
    "invalid mcp-session-id",
    "missing session",
    "unknown session",
    "no session",
    "mcp-session-id header is required",
    "bad request: mcp-session-id",
    "server not initialized",
];

#[derive(Deserialize)]
struct Said {
    error: Option<Refusal>,
    result: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<i64>,
    #[serde(default)]
    message: String,
}

/// Whether an answer to a message *of a session* says that there is no such session. Then the message was not executed.
///
/// 404 and 410 say so, unless they are the answer to a method that nobody knows. 400 does with words that speak of the session,
/// as JSON or not; a success only as a JSON-RPC error of the protocol's own (not a tool's), with such words.
pub(crate) fn says(status: StatusCode, body: &[u8]) -> bool {
    let said = serde_json::from_slice::<Said>(body).ok().filter(|said| said.result.is_none());
    let refusal = said.and_then(|said| said.error);
    let code = refusal.as_ref().and_then(|refusal| refusal.code);
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => code != Some(-32601),
        StatusCode::BAD_REQUEST => match refusal {
            Some(refusal) => speaks_of_it(&refusal.message),
            None => body.len() <= 1024 && speaks_of_it(&String::from_utf8_lossy(body)),
        },
        status if status.is_success() => {
            refusal.is_some_and(|refusal| is_the_protocols(&refusal) && speaks_of_it(&refusal.message))
        }
        _ => false,
    }
}

/// Whether a status can say so at all.
pub(crate) fn may_say(status: StatusCode) -> bool {
    status.is_success()
        || matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::BAD_REQUEST)
}

/// Whether an error that answers a message of a session says that there is no such session: as an event, where the transport
/// does not look for it.
pub(crate) fn is_told_by(error: &ErrorData) -> bool {
    let refusal = Refusal { code: Some(error.code.0.into()), message: error.message.to_string() };
    is_the_protocols(&refusal) && speaks_of_it(&refusal.message)
}

/// Whether an error is one of the protocol's own: -32000 is what many give for the failure of a tool.
fn is_the_protocols(refusal: &Refusal) -> bool {
    match refusal.code {
        Some(-32001 | -32600) => true,
        Some(-32000) => refusal.message.to_lowercase().starts_with("bad request"),
        _ => false,
    }
}

fn speaks_of_it(text: &str) -> bool {
    let text = text.to_lowercase();
    WORDS.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a lost session is understood in whatever way servers tell it, and that nothing else is taken for one
    /// (case 168).
    #[test]
    fn a_lost_session_is_understood_in_whatever_way_it_is_told() {
        let error = |code: i64, message: &str| {
            serde_json::json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}})
                .to_string()
        };
        for (status, body, expected) in [
            (404, String::new(), true),
            (404, "<html>".into(), true),
            (404, error(-32001, "Session not found"), true),
            (404, error(-32601, "Method not found"), false),
            (410, "gone".into(), true),
            (400, error(-32000, "Bad Request: No valid session ID provided"), true),
            (400, r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid session ID"}}"#.into(), true),
            (400, "Invalid session ID".into(), true),
            (400, error(-32602, "Invalid params"), false),
            (400, String::new(), false),
            (200, error(-32001, "Session not found"), true),
            (200, error(-32001, "Request timeout"), false),
            (200, error(-32000, "Bad Request: No valid session ID provided"), true),
            (200, error(-32000, "Session not found"), false),
            (200, error(-32603, "Session not found"), false),
            (200, r#"{"jsonrpc":"2.0","id":1,"result":{"text":"Session not found"}}"#.into(), false),
            (500, error(-32001, "Session not found"), false),
            (401, "Session not found".into(), false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(says(status, body.as_bytes()), expected, "{status} {body}");
        }
    }
}
