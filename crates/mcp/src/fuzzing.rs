//! What the fuzz targets need of event streams and logins, and nobody else.

use crate::sse::{EventTooLarge, Lineage, Oversized, events};
use afield_exchange::{Error, ResponseBody};
use bytes::Bytes;
use futures_core::Stream;
use sse_stream::Error as SseError;
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

pub use crate::login::fuzzing::{Login, login};

/// What is read of an event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An event: its id, its name, its data, and when to come back.
    Read(Option<String>, Option<String>, Option<String>, Option<u64>),
    /// An event that is over the limit: the end.
    TooLarge,
    /// What is no event: the end.
    Broken,
}

/// Everything that is read of a stream whose bytes come in these pieces, no event of it larger than `limit`.
pub fn event_stream(pieces: Vec<Bytes>, limit: usize) -> Vec<Event> {
    let body = ResponseBody::new(Pieces(pieces.into()));
    let lineage = Lineage::new("http://mcp.test/".into(), None, None);
    let mut events = events(body, limit, lineage, Oversized::default());
    let mut all = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(event)) = events.as_mut().poll_next(&mut context) {
        all.push(match event {
            Ok(event) => Event::Read(event.id, event.event, event.data, event.retry),
            Err(SseError::Body(error)) if error.is::<EventTooLarge>() => Event::TooLarge,
            Err(_) => Event::Broken,
        });
    }
    all
}

struct Pieces(VecDeque<Bytes>);

impl Stream for Pieces {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
