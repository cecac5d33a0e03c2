//! Both ends of an afield/1 session among peers that say anything, and callers and origins that do anything.

mod client;
mod server;

use afield_exchange::{BodyFrame, Header};
use afield_protocol::{
    json,
    resumable::{BodyMessage, End, Transmit},
};
use client::Client;
use server::Server;

/// The window of every body, in bytes: small, so that inputs reach past it.
const WINDOW: u64 = 200;

/// Each line of `data` is one thing that happens at both ends: a JSON text is heard, or a body message (a line that
/// begins with its kind, 1 or 2); or, by a letter, something is done by those behind the ends.
///
/// | letter | at the executor's end | at the orchestrator's end |
/// |---|---|---|
/// | `l` | the connection is lost | the same |
/// | `a` | a connection resumes the session | the same |
/// | `c` | nothing | a request is made, every other one with an upload |
/// | `w` | every origin answers, or goes on | more of every upload |
/// | `i` | every origin gives an informational response | nothing |
/// | `e` | every origin ends | every upload ends |
/// | `T` | every origin that has answered ends, with trailers | every upload ends, with trailers |
/// | `f` | every origin fails | every upload is aborted |
/// | `r` | every upload is read | every answer and body is read |
/// | `x` | every upload is dropped | every request is cancelled |
/// | `t` | 20 ms pass | the same |
/// | `b` | nothing can be written any more | the same |
/// | `u` | it can be written again | the same |
///
/// # Panics
///
/// When a request starts twice, more than a window is kept of a stream, what is owed is counted wrongly, or something
/// stays behind.
pub fn resumable(data: &[u8]) {
    let (mut server, mut client) = (Server::new(), Client::new());
    for line in data.split(|byte| *byte == b'\n') {
        server.take(line);
        client.take(line);
    }
    server.end();
    client.end();
}

fn trailers() -> End {
    End::trailers(&[Header::new("t", "1")]).expect("they are small")
}

/// How many bytes of the body it is.
fn data(frame: &BodyFrame) -> u64 {
    match frame {
        BodyFrame::Data(bytes) => bytes.len() as u64,
        BodyFrame::Trailers(_) => 0,
    }
}

/// Proves that what an end sends can be understood.
fn check(message: Transmit) {
    match message {
        Transmit::Text(text) => {
            let text = std::str::from_utf8(&text).expect("what is sent is UTF-8");
            json::decode(text).expect("what is sent is a message");
        }
        Transmit::Body(body) => {
            assert_eq!(BodyMessage::decode(&body.encode()), Ok(body), "what is sent is a body message");
        }
    }
}
