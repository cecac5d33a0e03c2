use super::{shared::Shared, whole};
use afield_exchange::{BodyStream, Error};
use afield_protocol::{
    RpcError,
    client::CallId,
    resumable::{Drained, End},
};
use std::{future::poll_fn, sync::Arc, task::Poll};
use tokio::task::JoinHandle;

/// Brings a request body to the session as fast as the origin takes it. Dropping it stops that.
pub(crate) struct Pump(JoinHandle<()>);

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts to bring a call's body.
pub(crate) fn pump(shared: Arc<Shared>, call: CallId, length: Option<u64>, stream: BodyStream) -> Pump {
    Pump(tokio::spawn(bring(shared, call, length, stream)))
}

async fn bring(shared: Arc<Shared>, call: CallId, length: Option<u64>, mut stream: BodyStream) {
    let mut sent = 0;
    loop {
        if !poll_fn(|cx| shared.poll_upload_room(call, cx)).await {
            return;
        }
        // A producer may take its time: it is let go also while it does.
        let next = poll_fn(|cx| match stream.as_mut().poll_next(cx) {
            Poll::Ready(next) => Poll::Ready(Some(next)),
            Poll::Pending => shared.poll_upload_unwanted(call, cx).map(|()| None),
        });
        let Some(next) = next.await else { return };
        let failed = match next {
            Some(Ok(bytes)) => {
                sent += bytes.len() as u64;
                if length.is_none_or(|length| sent <= length) {
                    match shared.upload(call, bytes) {
                        Drained::Unwanted => return,
                        Drained::Room | Drained::Full => continue,
                    }
                }
                whole::wrong_length("longer")
            }
            Some(Err(why)) => whole::aborted(&why),
            None if length.is_some_and(|length| sent < length) => whole::wrong_length("shorter"),
            None => return shared.finish_upload(call, End::Complete),
        };
        return shared.finish_upload(call, End::Abort(abort(&failed)));
    }
}

fn abort(error: &Error) -> bytes::Bytes {
    serde_json::to_vec(&RpcError::from_error(error)).unwrap_or_default().into()
}
