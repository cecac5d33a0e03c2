use afield_exchange::{
    Blame, BodyError, BodyStream, Error, Kind, Phase, Request, RequestBody, Retry, detail,
};
use bytes::{Bytes, BytesMut};
use std::future::poll_fn;

/// The base dialect carries a request body whole: reads one that is streamed, up to `limit` bytes. Cancel safe in that
/// nothing has been sent.
pub(crate) async fn make_whole(request: &mut Request, limit: usize) -> Result<(), Error> {
    match &mut request.body {
        RequestBody::Empty => {}
        RequestBody::Bytes(bytes) if bytes.len() > limit => return Err(too_large(limit)),
        RequestBody::Bytes(_) => {}
        RequestBody::Stream { length, stream } => {
            request.body = RequestBody::Bytes(read(*length, stream, limit).await?);
        }
        RequestBody::Recorded(body) => {
            request.body = RequestBody::Bytes(read(body.length(), &mut body.reader(), limit).await?);
        }
    }
    Ok(())
}

async fn read(length: Option<u64>, stream: &mut BodyStream, limit: usize) -> Result<Bytes, Error> {
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let mut body = BytesMut::new();
    while let Some(bytes) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        let bytes = bytes.map_err(|why| aborted(&why))?;
        let read = body.len() + bytes.len();
        if length.is_some_and(|length| read as u64 > length) {
            return Err(wrong_length("longer"));
        }
        if read > limit {
            return Err(too_large(limit));
        }
        body.extend_from_slice(&bytes);
    }
    if length.is_some_and(|length| length > body.len() as u64) {
        return Err(wrong_length("shorter"));
    }
    Ok(body.freeze())
}

fn too_large(limit: usize) -> Error {
    let message =
        format!("a request body of more than {limit} bytes: an executor takes it whole, and no more of it");
    Error::new(Kind::TooLarge, Blame::Caller, Retry::No, message).with_detail(detail::REQUEST_BODY)
}

/// What becomes of a request whose body its producer gives up. Nothing of it has been sent, or it has not been ended.
pub(crate) fn aborted(why: &BodyError) -> Error {
    failed(Kind::Cancelled, Retry::Safe, format!("the request body failed: {why}"))
}

pub(crate) fn wrong_length(how: &str) -> Error {
    failed(Kind::InvalidRequest, Retry::No, format!("the request body is {how} than announced"))
}

pub(crate) fn failed(kind: Kind, retry: Retry, message: String) -> Error {
    Error::new(kind, Blame::Caller, retry, message)
        .with_detail(detail::REQUEST_BODY)
        .with_phase(Phase::Request)
        .with_hop(0)
}
