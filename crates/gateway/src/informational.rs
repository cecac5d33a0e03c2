//! Informational (1xx) responses on their way to the caller (RFC 9110, section 15.2).
//!
//! hyper's HTTP/1 server writes none but `100 Continue`, and has no way to be told of others. So they are written past it, by
//! the [socket](crate::socket), which knows where hyper is between two messages.

use crate::{headers, socket::Socket};
use afield_exchange::{Head, OnInformational};
use bytes::{BufMut, BytesMut};
use http::StatusCode;
use hyper::ext::ReasonPhrase;
use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Notify;

/// How many of one request are passed on, and how many bytes of names and values: no more than go over the wire.
const MOST: usize = 16;
const BYTES: usize = 64 * 1024;

/// What has come before an answer and is not passed on yet.
#[derive(Clone, Default)]
pub(crate) struct Heads(Arc<Kept>);

#[derive(Default)]
struct Kept {
    came: Mutex<Came>,
    notify: Notify,
}

#[derive(Default)]
struct Came {
    heads: Vec<Head>,
    /// Of all that came, passed on or not.
    count: usize,
    bytes: usize,
}

impl Heads {
    /// Takes what comes.
    pub fn listener(&self) -> OnInformational {
        let kept = self.0.clone();
        OnInformational::new(move |head| {
            let mut came = kept.came.lock().unwrap_or_else(PoisonError::into_inner);
            let bytes: usize = head.headers.iter().map(|header| header.name.len() + header.value.len()).sum();
            (came.count, came.bytes) = (came.count + 1, came.bytes.saturating_add(bytes));
            // What is beyond is dropped: a final answer never depends on it.
            if came.count <= MOST && came.bytes <= BYTES {
                came.heads.push(head);
                kept.notify.notify_one();
            }
        })
    }

    /// Waits for the answer, and passes on to the caller what comes before it.
    pub async fn passed_until<T>(self, socket: &Socket, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        let answer = loop {
            tokio::select! {
                biased;
                () = self.0.notify.notified() => self.pass(socket),
                answer = answer.as_mut() => break answer,
            }
        };
        // It may have come together with the answer.
        self.pass(socket);
        socket.answered();
        answer
    }

    fn pass(&self, socket: &Socket) {
        let mut came = self.0.came.lock().unwrap_or_else(PoisonError::into_inner);
        let heads = std::mem::take(&mut came.heads);
        drop(came);
        for text in heads.iter().filter_map(text) {
            socket.write_ahead(&text);
        }
    }
}

/// The head as HTTP/1.1. `None`: not HTTP, or for another to say. `100 Continue` is hyper's, which says it when the body is read.
fn text(head: &Head) -> Option<BytesMut> {
    let status = StatusCode::from_u16(head.status).ok()?;
    if !status.is_informational() || matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS)
    {
        return None;
    }
    let fields = headers::of_response(&head.headers, false)?;
    let given = head.reason.clone().and_then(|reason| ReasonPhrase::try_from(reason).ok());
    let usual = status.canonical_reason().unwrap_or_default().as_bytes();
    let mut text = BytesMut::from(&b"HTTP/1.1 "[..]);
    for part in
        [status.as_str().as_bytes(), b" ", given.as_ref().map_or(usual, ReasonPhrase::as_bytes), b"\r\n"]
    {
        text.put_slice(part);
    }
    for (name, value) in &fields {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.put_slice(part);
        }
    }
    text.put_slice(b"\r\n");
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::Header;

    fn told(status: u16, fields: &[(&str, &str)]) -> Option<String> {
        let fields = fields.iter().map(|(name, value)| Header::new(*name, value.to_string())).collect();
        text(&Head::new(status, fields)).map(|text| String::from_utf8(text.to_vec()).unwrap())
    }

    /// Proves that what is written past hyper is HTTP whatever an executor says, and nothing that belongs to others.
    #[test]
    fn an_informational_head_is_http_or_nothing() {
        let early = told(103, &[("Link", "</a>; rel=preload"), ("connection", "x"), ("content-length", "7")]);
        assert_eq!(early.unwrap(), "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n");
        assert_eq!(told(199, &[]).unwrap(), "HTTP/1.1 199 \r\n\r\n");
        for status in [100, 101, 200, 99, 0, 1000] {
            assert_eq!(told(status, &[]), None, "{status}");
        }
        assert_eq!(told(103, &[("a b", "x")]), None);
        assert_eq!(told(103, &[("a", "x\r\n\r\nHTTP/1.1 200 OK\r\n")]), None);
        let reason = Head::new(103, Vec::new()).with_reason(Some("a\r\nb: c".into()));
        assert_eq!(text(&reason).unwrap(), "HTTP/1.1 103 Early Hints\r\n\r\n");
    }
}
