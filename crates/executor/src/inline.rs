use afield_exchange::{Error, Response};
use afield_protocol::resumable::INLINE_BODY;
use bytes::{Bytes, BytesMut};
use futures_util::future::poll_immediate;
use std::{pin::pin, time::Duration};
use tokio::{
    task::yield_now,
    time::{Instant, timeout_at},
};

/// How long a body that is known to be small may keep its head waiting.
const PATIENCE: Duration = Duration::from_millis(5);

/// How often the tasks that bring a body get their turn before it counts as not yet there.
const YIELDS: usize = 2;

/// What of a body was there with its head.
pub(crate) struct Beginning {
    pub bytes: Bytes,
    /// How the body ended, if it has.
    pub end: Option<Result<(), Error>>,
}

/// Reads what of a body comes with its head, up to a little more than what may ride with it. `waits`: also what will come at
/// once, for a moment.
pub(crate) async fn begin(response: &mut Response, waits: bool) -> Beginning {
    let is_small = waits
        && response.head.header("content-length").is_some_and(|length| {
            std::str::from_utf8(&length.value)
                .is_ok_and(|text| text.parse().is_ok_and(|n: usize| n <= INLINE_BODY))
        });
    let until = Instant::now() + PATIENCE;
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let end = loop {
        let next = if waits {
            soon(response, is_small.then_some(until)).await
        } else {
            poll_immediate(pin!(response.body.next())).await
        };
        let Some(next) = next else { break None };
        match next {
            None => break Some(Ok(())),
            Some(Err(error)) => break Some(Err(error)),
            Some(Ok(bytes)) if first.is_empty() && more.is_empty() => first = bytes,
            Some(Ok(bytes)) => {
                if more.is_empty() {
                    more.extend_from_slice(&std::mem::take(&mut first));
                }
                more.extend_from_slice(&bytes);
            }
        }
        if more.len() + first.len() > INLINE_BODY {
            break None;
        }
    };
    Beginning { bytes: if more.is_empty() { first } else { more.freeze() }, end }
}

/// The next of the body if it is there, or comes until then.
async fn soon(response: &mut Response, until: Option<Instant>) -> Option<Option<Result<Bytes, Error>>> {
    for _ in 0..YIELDS {
        if let Some(next) = poll_immediate(pin!(response.body.next())).await {
            return Some(next);
        }
        yield_now().await;
    }
    match until {
        Some(until) => timeout_at(until, response.body.next()).await.ok(),
        None => poll_immediate(pin!(response.body.next())).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::{Head, Header, ResponseBody};
    use futures_util::stream;
    use tokio::time::sleep;

    /// Proves that an origin that drips a small body does not keep its head back for longer than the patience.
    #[tokio::test(start_paused = true)]
    async fn a_dripping_body_does_not_keep_its_head_waiting() {
        let drops = stream::unfold((), |()| async {
            sleep(PATIENCE * 4 / 5).await;
            Some((Ok(Bytes::from_static(b".")), ()))
        });
        let head = Head::new(200, vec![Header::new("content-length", "16000")]);
        let mut response = Response { head, body: ResponseBody::new(Box::pin(drops)) };
        let start = Instant::now();
        let beginning = begin(&mut response, true).await;
        assert!(start.elapsed() <= 2 * PATIENCE, "{:?}", start.elapsed());
        assert!(beginning.end.is_none() && !beginning.bytes.is_empty());
    }
}
