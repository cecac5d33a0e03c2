//! Passing or final: what came, and whether trying again may help. This is the one place that decides it; docs/protocol.md,
//! section 4.8, is its table in words.
//!
//! A first connection is sought while what came is passing, until the connect timeout: it may be that the executor is not there
//! yet, but not that it was never there. On the way back to a session the executor *was* there. So nearly everything is passing
//! then, for as long as the grace lasts: what stands in front of it answers 404, 500 or a web page for a moment while it starts,
//! and none of that is the executor's word. Final is only what is certainly the executor's own refusal of this credential or
//! session, and a forward proxy that does not let its client through.

use super::error::ConnectError;
use afield_transport::{CloseReason, Closed, DialError};

/// The close code by which an executor says that another connection has taken the session.
pub(super) const RESUMED_ELSEWHERE: u16 = 4001;

/// The close code by which an executor says that what let the connection in has ended.
const CREDENTIAL_ENDED: u16 = 4401;

/// The close codes by which an executor says that it does not take what was said on the connection: on another one the
/// same would be said again. (RFC 6455, section 7.4.1)
const FAULTS: [u16; 6] = [1002, 1003, 1007, 1008, 1009, 1010];

/// What a connection is sought for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// A new session.
    Begin,
    /// The way back to a session.
    Resume {
        /// Whether its executor marks its refusals, so that an answer without the mark is somebody else's. One that names its
        /// instance does.
        marked: bool,
    },
}

/// Whether trying again may help.
pub(super) fn is_passing(error: &ConnectError, aim: Aim) -> bool {
    match error {
        ConnectError::Dial(error) => dialling_is_passing(error, aim),
        ConnectError::Busy(_) | ConnectError::AnotherExecutor { .. } | ConnectError::CommandEnded { .. } => {
            true
        }
        ConnectError::Ended(closed) => !is_final_before_answer(closed),
        // A first connection has used up its time; a file that is being replaced is there again in a moment.
        ConnectError::Timeout(_) | ConnectError::Roots(_) | ConnectError::Command { .. } => aim != Aim::Begin,
        ConnectError::Unauthorized(_) | ConnectError::Refused(_) | ConnectError::Evicted => false,
    }
}

fn dialling_is_passing(error: &DialError, aim: Aim) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match (error, aim) {
        (DialError::Proxy { status: Some(403 | 407), .. }, _) => false,
        (DialError::Refused { status, refusal, .. }, aim) => {
            answer_is_passing(*status, refusal.is_some(), aim)
        }
        (DialError::InvalidUrl(_) | DialError::InvalidToken | DialError::TlsNotConfigured, _) => false,
        (_, Aim::Resume { .. }) => true,
        (DialError::Connect { .. } | DialError::Dns { .. } | DialError::Dropped(_), Aim::Begin) => true,
        (DialError::Proxy { status, .. }, Aim::Begin) => status.is_none_or(is_momentary),
        (DialError::Tls { source, .. }, Aim::Begin) => {
            matches!(source.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        }
        (
            DialError::Identity(_)
            | DialError::RefusedByTls(_)
            | DialError::PlaintextToken { .. }
            | DialError::Timeout { .. }
            | DialError::NotWebSocket(_),
            Aim::Begin,
        ) => false,
    }
}

/// An HTTP answer in place of the upgrade. `own`: it has the executor's mark.
fn answer_is_passing(status: u16, own: bool, aim: Aim) -> bool {
    match aim {
        // The executor's own 403, 400 and 426 are about fields that something in front has written, or lost.
        Aim::Resume { marked } => status != 401 || (marked && !own),
        Aim::Begin if own => matches!(status, 429 | 503),
        // Traefik answers 404 while it starts.
        Aim::Begin => status == 404 || is_momentary(status),
    }
}

/// Whether HTTP means a moment by it.
fn is_momentary(status: u16) -> bool {
    matches!(status, 408 | 421 | 425 | 429 | 500..=599)
}

/// Whether a connection that has ended before `initialize` was answered says that there is no use in another one.
fn is_final_before_answer(closed: &Closed) -> bool {
    matches!(closed.reason, CloseReason::Peer { code: Some(RESUMED_ELSEWHERE | CREDENTIAL_ENDED), .. })
}

/// Whether a session may go on over another connection after this end of one.
pub(super) fn end_is_passing(closed: &Closed) -> bool {
    match closed.reason {
        CloseReason::Peer { code: Some(code), .. } => {
            code != RESUMED_ELSEWHERE && code != CREDENTIAL_ENDED && !FAULTS.contains(&code)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io, time::Duration};

    const BACK: Aim = Aim::Resume { marked: true };

    fn answered(status: u16, refusal: Option<&str>) -> ConnectError {
        let refusal = refusal.map(str::to_owned);
        DialError::Refused { status, body: String::new(), refusal }.into()
    }

    fn proxy(status: Option<u16>) -> ConnectError {
        DialError::Proxy { proxy: "p:1".into(), status, what: String::new() }.into()
    }

    fn closed(code: u16) -> Closed {
        CloseReason::Peer { code: Some(code), text: String::new() }.into()
    }

    /// Proves the table of docs/protocol.md row by row: what came, whether a first connection is tried again, and whether
    /// the way back is (cases 147, 148 and 151).
    #[test]
    fn table_of_passing_and_final_holds() {
        let host = || "h:1".to_owned();
        let io = |kind: io::ErrorKind| io::Error::from(kind);
        let rows: Vec<(ConnectError, bool, bool)> = vec![
            (DialError::Dns { host: host(), source: io(io::ErrorKind::NotFound) }.into(), true, true),
            (DialError::Connect { host: host(), source: io(io::ErrorKind::TimedOut) }.into(), true, true),
            (DialError::Timeout { host: host(), after: Duration::ZERO }.into(), false, true),
            (DialError::Dropped(String::new()).into(), true, true),
            (DialError::Tls { host: host(), source: io(io::ErrorKind::UnexpectedEof) }.into(), true, true),
            (DialError::Tls { host: host(), source: io(io::ErrorKind::InvalidData) }.into(), false, true),
            (DialError::RefusedByTls(String::new()).into(), false, true),
            (DialError::NotWebSocket(String::new()).into(), false, true),
            (DialError::PlaintextToken { host: host() }.into(), false, true),
            (DialError::InvalidToken.into(), false, false),
            (proxy(None), true, true),
            (proxy(Some(500)), true, true),
            (proxy(Some(503)), true, true),
            (proxy(Some(404)), false, true),
            (proxy(Some(403)), false, false),
            (proxy(Some(407)), false, false),
            (answered(401, Some("credential_wrong")), false, false),
            (answered(401, None), false, true),
            (answered(403, Some("host")), false, true),
            (answered(400, Some("upgrade_lost")), false, true),
            (answered(429, Some("too_many_failures")), true, true),
            (answered(503, Some("too_many_connections")), true, true),
            (answered(200, None), false, true),
            (answered(301, None), false, true),
            (answered(403, None), false, true),
            (answered(426, None), false, true),
            (answered(404, None), true, true),
            (answered(408, None), true, true),
            (answered(421, None), true, true),
            (answered(500, None), true, true),
            (ConnectError::Ended(CloseReason::Ended.into()), true, true),
            (ConnectError::Ended(closed(1008)), true, true),
            (ConnectError::Ended(closed(4001)), false, false),
            (ConnectError::Ended(closed(4401)), false, false),
            (ConnectError::Timeout(Duration::ZERO), false, true),
            (ConnectError::Busy(String::new()), true, true),
            (ConnectError::AnotherExecutor { message: String::new(), instance: None }, true, true),
            (ConnectError::Unauthorized(String::new()), false, false),
            (ConnectError::Refused(String::new()), false, false),
        ];
        for (error, begin, back) in rows {
            assert_eq!(is_passing(&error, Aim::Begin), begin, "a first connection: {error:?}");
            assert_eq!(is_passing(&error, BACK), back, "the way back: {error:?}");
        }
        let unmarked = Aim::Resume { marked: false };
        assert!(!is_passing(&answered(401, None), unmarked), "an executor that does not mark its refusals");
    }

    /// Proves after which ends of a connection its session goes on over another one.
    #[test]
    fn close_codes_of_the_executors_will_are_final() {
        for code in [4001, 4401, 1002, 1003, 1007, 1008, 1009, 1010] {
            assert!(!end_is_passing(&closed(code)), "{code}");
        }
        for code in [1000, 1001, 1006, 1011, 1012, 1013, 1014] {
            assert!(end_is_passing(&closed(code)), "{code}");
        }
        assert!(end_is_passing(&CloseReason::Ended.into()));
    }
}
