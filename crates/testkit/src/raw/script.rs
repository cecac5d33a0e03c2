use crate::Gate;
use bytes::Bytes;
use std::time::Duration;

/// What one connection does, step by step. At its end the connection is closed as by [`close`](Script::close).
///
/// Whatever the step, what the peer sends is read and recorded, unless [`deaf`](Script::deaf) was said; and the peer's
/// leaving ends the script.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Expect(Until),
    Send(Bytes),
    Drip { bytes: Bytes, size: usize, pace: Pace },
    Wait(Gate),
    Deaf,
    Flood(Bytes),
    FinishWriting,
    Hang,
    Close,
    Truncate,
    Reset,
    Again,
}

#[derive(Clone, Debug)]
pub(super) enum Until {
    Head,
    Request,
    Count(usize),
    Text(Bytes),
    End,
}

#[derive(Clone, Debug)]
pub(super) enum Pace {
    Every(Duration),
    Gate(Gate),
}

impl Script {
    /// A script that closes the connection at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for a request with its body, sends `response`, and starts again.
    pub fn answering(response: impl Into<Bytes>) -> Self {
        Self::new().expect_request().send(response).again()
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Waits for the empty line that ends a head.
    pub fn expect_head(self) -> Self {
        self.then(Step::Expect(Until::Head))
    }

    /// Waits for a head and as many body bytes as its `Content-Length` says.
    pub fn expect_request(self) -> Self {
        self.then(Step::Expect(Until::Request))
    }

    /// Waits for `count` more bytes.
    pub fn expect_bytes(self, count: usize) -> Self {
        self.then(Step::Expect(Until::Count(count)))
    }

    /// Waits until `text` has come, counted from where the last expectation ended.
    pub fn expect_text(self, text: impl Into<Bytes>) -> Self {
        self.then(Step::Expect(Until::Text(text.into())))
    }

    /// Waits until the peer has finished sending (FIN), and then goes on.
    pub fn expect_end(self) -> Self {
        self.then(Step::Expect(Until::End))
    }

    /// Sends `bytes`.
    pub fn send(self, bytes: impl Into<Bytes>) -> Self {
        self.then(Step::Send(bytes.into()))
    }

    /// Sends `bytes` in pieces of `size`, one each `every`.
    pub fn drip(self, bytes: impl Into<Bytes>, size: usize, every: Duration) -> Self {
        self.then(Step::Drip { bytes: bytes.into(), size: size.max(1), pace: Pace::Every(every) })
    }

    /// Sends `bytes` in pieces of `size`, one for each [`Gate::pass`].
    pub fn drip_by(self, gate: &Gate, bytes: impl Into<Bytes>, size: usize) -> Self {
        self.then(Step::Drip { bytes: bytes.into(), size: size.max(1), pace: Pace::Gate(gate.clone()) })
    }

    /// Sends `bytes` over and over until the peer goes.
    pub fn flood(self, bytes: impl Into<Bytes>) -> Self {
        self.then(Step::Flood(bytes.into()))
    }

    /// Waits until the test lets it through.
    pub fn wait(self, gate: &Gate) -> Self {
        self.then(Step::Wait(gate.clone()))
    }

    /// Stops reading what the peer sends. Its leaving is then seen only by writing to it.
    pub fn deaf(self) -> Self {
        self.then(Step::Deaf)
    }

    /// Sends FIN (under TLS `close_notify` before it) and goes on reading.
    pub fn finish_writing(self) -> Self {
        self.then(Step::FinishWriting)
    }

    /// Does nothing more until the peer goes.
    pub fn hang(self) -> Self {
        self.then(Step::Hang)
    }

    /// Closes the connection in good order: `close_notify` under TLS, then FIN; later bytes are answered with RST.
    pub fn close(self) -> Self {
        self.then(Step::Close)
    }

    /// Sends FIN without `close_notify`: under TLS a truncated end, on plain TCP as [`close`](Self::close).
    pub fn truncate(self) -> Self {
        self.then(Step::Truncate)
    }

    /// Sends RST. Under TLS without any alert.
    pub fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// Starts again from the first step, on the same connection.
    pub fn again(self) -> Self {
        self.then(Step::Again)
    }
}
