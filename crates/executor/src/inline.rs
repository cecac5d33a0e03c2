use afield_exchange::{Error, Response};
use afield_protocol::resumable::INLINE_BODY;
use bytes::{Bytes, BytesMut};
use futures_util::future::poll_immediate;
use std::{pin::pin, time::Duration};
use tokio::{task::yield_now, time::timeout};

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

/// Reads what of a body comes with its head, up to a little more than what may ride with it.
pub(crate) async fn begin(response: &mut Response) -> Beginning {
    let is_small = response.head.header("content-length").is_some_and(|length| {
        std::str::from_utf8(&length.value)
            .is_ok_and(|text| text.parse().is_ok_and(|n: usize| n <= INLINE_BODY))
    });
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let end = loop {
        let Some(next) = soon(response, is_small).await else { break None };
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

/// The next of the body if it is there, or, where the body is small, comes within a moment.
async fn soon(response: &mut Response, is_small: bool) -> Option<Option<Result<Bytes, Error>>> {
    for _ in 0..YIELDS {
        if let Some(next) = poll_immediate(pin!(response.body.next())).await {
            return Some(next);
        }
        yield_now().await;
    }
    if is_small {
        return timeout(PATIENCE, response.body.next()).await.ok();
    }
    poll_immediate(pin!(response.body.next())).await
}
