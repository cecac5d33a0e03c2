use super::{AuditEvent, Caller, time::rfc3339};
use afield_egress::{HopOutcome, HopReport};
use afield_exchange::Kind;
use serde::Serialize;
use std::time::SystemTime;

/// What a line shows of a name that an orchestrator gives.
const LONGEST_NAME: usize = 128;

/// One line of the audit. What an event has not is left out.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: String,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
    /// What says who it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    hop: Option<Hop<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    came: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authentication: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hop<'a> {
    hop: u32,
    method: &'a str,
    scheme: &'a str,
    host: &'a str,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    secrets: &'a [String],
    sent: u64,
    received: u64,
    duration_ms: u64,
}

/// How it ended, in a word.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Word(&'static str),
    Failed(Kind),
}

/// The line of an event that has just happened, with its end.
pub(super) fn line(event: &AuditEvent<'_>) -> Vec<u8> {
    let line = match *event {
        AuditEvent::Started { at, authentication } => Line {
            event: "started",
            at: Some(at),
            authentication: Some(authentication),
            version: Some(env!("CARGO_PKG_VERSION")),
            ..Line::default()
        },
        AuditEvent::Stopped => Line { event: "stopped", ..Line::default() },
        AuditEvent::Refused { peer, reason, status, came } => Line {
            event: "refused",
            peer: Some(peer.to_string()),
            reason: Some(reason),
            status,
            came,
            ..Line::default()
        },
        AuditEvent::Admitted { peer, principal } => Line {
            event: "admitted",
            peer: Some(peer.to_string()),
            principal: Some(principal.name()),
            principal_kind: Some(principal.kind().as_str()),
            ..Line::default()
        },
        AuditEvent::Ended { peer, principal, reason } => Line {
            event: "ended",
            peer: Some(peer.to_string()),
            principal: Some(principal.name()),
            principal_kind: Some(principal.kind().as_str()),
            reason: Some(reason),
            ..Line::default()
        },
        AuditEvent::Request { caller, hop } => Line {
            event: "request",
            outcome: Some(outcome(hop.outcome)),
            status: hop.status,
            hop: Some(shown(hop)),
            ..of(caller)
        },
        AuditEvent::Unsent { caller, kind } => {
            Line { event: "request", outcome: Some(Outcome::Failed(kind)), ..of(caller) }
        }
        AuditEvent::Reloaded { what, error } => Line {
            event: if error.is_some() { "reload_failed" } else { "reloaded" },
            what: Some(what),
            error,
            ..Line::default()
        },
    };
    encoded(line)
}

/// The line that says how many lines were lost before it.
pub(super) fn lost(lines: u64) -> Vec<u8> {
    encoded(Line { event: "lost", lines: Some(lines), ..Line::default() })
}

fn encoded(line: Line<'_>) -> Vec<u8> {
    let line = Line { time: rfc3339(SystemTime::now()), ..line };
    let mut bytes = serde_json::to_vec(&line).expect("texts and numbers are JSON");
    bytes.push(b'\n');
    bytes
}

fn of<'a>(caller: Caller<'a>) -> Line<'a> {
    Line {
        principal: Some(caller.principal.name()),
        principal_kind: Some(caller.principal.kind().as_str()),
        session: Some(caller.session),
        request: Some(short(caller.request)),
        ..Line::default()
    }
}

fn shown(hop: &HopReport) -> Hop<'_> {
    Hop {
        hop: hop.index,
        method: short(&hop.method),
        scheme: hop.scheme.as_str(),
        host: &hop.host,
        port: hop.port,
        address: hop.address.map(|address| address.to_string()),
        rule: hop.rule.as_deref(),
        upstream: hop.upstream.as_deref(),
        secrets: &hop.secrets,
        sent: hop.sent,
        received: hop.received,
        duration_ms: u64::try_from(hop.duration.as_millis()).unwrap_or(u64::MAX),
    }
}

fn outcome(outcome: HopOutcome) -> Outcome {
    match outcome {
        HopOutcome::Answered => Outcome::Word("answered"),
        HopOutcome::Redirected => Outcome::Word("redirected"),
        HopOutcome::Cancelled => Outcome::Word("cancelled"),
        HopOutcome::Failed(kind) => Outcome::Failed(kind),
    }
}

/// As much of a name as is shown.
fn short(name: &str) -> &str {
    let mut end = name.len().min(LONGEST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_transport::{Peer, Principal};

    /// Proves that a line is one line of JSON whatever an orchestrator calls itself and its requests, and no longer than it
    /// has to be.
    #[test]
    fn a_line_is_one_line_whatever_names_say() {
        let (principal, request) = (Principal::token("a\n\u{1b}[2J\"b"), "é\r\n".repeat(100));
        let caller = Caller { principal: &principal, session: "0123", request: &request };
        let line = line(&AuditEvent::Unsent { caller, kind: Kind::Overloaded });
        let text = std::str::from_utf8(&line).unwrap();
        assert_eq!(text.matches(['\n', '\r', '\u{1b}']).count(), 1, "{text}");
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(value["principal"], "a\n\u{1b}[2J\"b");
        assert!(value["request"].as_str().unwrap().len() <= LONGEST_NAME);
        assert_eq!(value["outcome"], "overloaded");
    }

    /// Proves that the executor's start says where and how it lets in (case 189).
    #[test]
    fn audit_start_says_where_and_how() {
        let event = AuditEvent::Started { at: "ws://127.0.0.1:7411", authentication: "token" };
        let value: serde_json::Value = serde_json::from_slice(&line(&event)).unwrap();
        assert_eq!((&value["event"], &value["at"]), (&"started".into(), &"ws://127.0.0.1:7411".into()));
        assert_eq!(value["authentication"], "token");
        let value: serde_json::Value = serde_json::from_slice(&line(&AuditEvent::Stopped)).unwrap();
        assert_eq!(value["event"], "stopped");
    }

    /// Proves that a refused connection says who and why.
    #[test]
    fn a_refused_connection_says_why() {
        let peer = Peer::Tcp("127.0.0.1:7".parse().unwrap());
        let event = AuditEvent::Refused { peer: &peer, reason: "origin", status: Some(403), came: None };
        let value: serde_json::Value = serde_json::from_slice(&line(&event)).unwrap();
        assert_eq!(value["event"], "refused");
        assert_eq!((value["reason"].as_str(), value["status"].as_u64()), (Some("origin"), Some(403)));
        assert!(value.get("principal").is_none() && value["time"].as_str().unwrap().ends_with('Z'));
    }
}
