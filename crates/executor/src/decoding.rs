//! In the base dialect a body that the origin compressed unasked is handed on as it was before: callers of that family say
//! nothing of codings, and read none.

use crate::call::Manner;
use afield_exchange::{
    Buffered, Error, Head, Request, Response, ResponseBody,
    decode::{self, Decoder},
};
use bytes::Bytes;

/// Fields that are about the bytes as the origin sent them.
const OF_THE_BYTES: [&str; 2] = ["content-encoding", "content-length"];

/// Whether the answer to this request is to be decoded, if it is compressed.
pub(crate) fn is_wanted(request: &Request, manner: Manner) -> bool {
    let names_codings = || request.headers.iter().any(|header| header.is("accept-encoding"));
    manner != Manner::Inline && !request.method.eq_ignore_ascii_case("HEAD") && !names_codings()
}

/// Whether this answer is one to decode: whole, and in codings that are known. A slice of encoded bytes decodes to nothing.
fn is_decodable(head: &Head) -> bool {
    head.status != 206 && matches!(Decoder::of(head, u64::MAX), Ok(Some(_)))
}

/// The answer with its body decoded as it comes.
pub(crate) fn streamed(response: Response) -> Result<Response, Error> {
    if !is_decodable(&response.head) {
        return Ok(response);
    }
    let Response { mut head, body } = response;
    let body = decode::decoded(&head, body, u64::MAX)?;
    strip(&mut head);
    Ok(Response { head, body })
}

/// The answer with its body decoded, if that is at most `limit` bytes.
pub(crate) async fn buffered(answer: Buffered, limit: usize) -> Result<Buffered, Error> {
    if !is_decodable(&answer.head) {
        return Ok(answer);
    }
    let Buffered { mut head, body, trailers, .. } = answer;
    let body = ResponseBody::new(Once(Some(body)));
    let body = decode::decoded(&head, body, limit as u64)?.collect(limit).await?;
    strip(&mut head);
    Ok(Buffered::new(head, body).with_trailers(trailers))
}

fn strip(head: &mut Head) {
    head.headers.retain(|header| !OF_THE_BYTES.iter().any(|name| header.is(name)));
}

/// A body that is there whole.
struct Once(Option<Bytes>);

impl futures_util::Stream for Once {
    type Item = Result<Bytes, Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.take().map(Ok))
    }
}
