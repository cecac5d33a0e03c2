use super::{shared::Shared, whole};
use afield_exchange::{BodyStream, Error, Kind, Retry, Trailers};
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

/// A body that is still being produced.
pub(crate) struct Source {
    pub length: Option<u64>,
    pub stream: BodyStream,
    pub trailers: Option<Trailers>,
}

/// Starts to bring a call's body.
pub(crate) fn pump(shared: Arc<Shared>, call: CallId, source: Source) -> Pump {
    Pump(tokio::spawn(bring(shared, call, source)))
}

/// The end of a body that is whole, with its trailer fields.
pub(crate) fn end(trailers: Option<&Trailers>) -> End {
    let fields = trailers.map(Trailers::get).unwrap_or_default();
    End::trailers(&fields).unwrap_or_else(|error| {
        End::Abort(abort(&whole::failed(Kind::TooLarge, Retry::No, error.message().to_owned())))
    })
}

async fn bring(shared: Arc<Shared>, call: CallId, source: Source) {
    let Source { length, mut stream, trailers } = source;
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
            None => return shared.finish_upload(call, end(trailers.as_ref())),
        };
        return shared.finish_upload(call, End::Abort(abort(&failed)));
    }
}

fn abort(error: &Error) -> bytes::Bytes {
    serde_json::to_vec(&RpcError::from_error(error)).unwrap_or_default().into()
}
