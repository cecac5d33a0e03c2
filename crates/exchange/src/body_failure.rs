//! How a response body fails once its head is there.
//!
//! The wire protocol's base dialect carries no more of such a failure than its text, so the texts stand here, beside
//! what they mean, for both ends.

use crate::{Blame, Error, Kind, Phase, Retry, detail};
use std::time::Duration;

const CUT: &str = "the origin cut the response body short";
const BROKEN_OFF: &str = "the origin broke off the response body";
const MISFRAMED: &str = "the response body is not framed correctly";
const DEADLINE: &str = "the deadline passed before the end of the response body";
const IDLE: &str = "no byte of the response body for ";
const CANCELLED: &str = "cancelled";

impl Error {
    /// The connection ended before the response body did.
    pub fn body_cut() -> Self {
        of_origin(CUT.to_owned())
    }

    /// The origin ended the response body on purpose, before its end (HTTP/2 `RST_STREAM`, `GOAWAY`).
    pub fn body_broken_off() -> Self {
        of_origin(BROKEN_OFF.to_owned())
    }

    /// The framing of the response body is not HTTP.
    pub fn body_misframed() -> Self {
        of_origin(MISFRAMED.to_owned())
    }

    /// The caller's deadline passed while the response body was being read.
    pub fn body_deadline() -> Self {
        timeout(DEADLINE.to_owned(), detail::TOTAL)
    }

    /// The response body paused for longer than `limit`.
    pub fn body_idle(limit: Duration) -> Self {
        timeout(format!("{IDLE}{limit:?}"), detail::IDLE)
    }

    /// The failure of a response body that this text tells of. A text of another peer's means what it can be taken to
    /// mean: its words are kept, and a retry is never known to be safe.
    pub fn of_body_text(text: &str) -> Self {
        let text = text.to_owned();
        match text.as_str() {
            CANCELLED => Self::cancelled().with_phase(Phase::Body),
            DEADLINE => Self::body_deadline(),
            _ if text.starts_with(IDLE) => timeout(text, detail::IDLE),
            _ if text.contains("timed out") => {
                Self::new(Kind::Timeout, Blame::Origin, Retry::Unknown, text).with_phase(Phase::Body)
            }
            _ => of_origin(text),
        }
    }
}

fn of_origin(message: String) -> Error {
    Error::new(Kind::OriginProtocol, Blame::Origin, Retry::Unknown, message).with_phase(Phase::Body)
}

fn timeout(message: String, word: &'static str) -> Error {
    Error::new(Kind::Timeout, Blame::Origin, Retry::Unknown, message)
        .with_phase(Phase::Body)
        .with_detail(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that what a body failed of is known again from its text alone.
    #[test]
    fn a_failure_is_known_again_by_its_text() {
        for error in [
            Error::body_cut(),
            Error::body_broken_off(),
            Error::body_misframed(),
            Error::body_deadline(),
            Error::body_idle(Duration::from_millis(1500)),
            Error::cancelled().with_phase(Phase::Body),
        ] {
            assert_eq!(Error::of_body_text(error.message()), error);
        }
        let theirs = Error::of_body_text("operation timed out");
        assert_eq!((theirs.kind(), theirs.message()), (Kind::Timeout, "operation timed out"));
        assert_eq!(Error::of_body_text("whatever").kind(), Kind::OriginProtocol);
    }
}
