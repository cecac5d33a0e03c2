use super::link::Link;
use afield_exchange::{Blame, Kind, Phase, Retry};
use afield_exchange::{Buffered, Error, Request, RequestBody, Response, ResponseBody, detail};
use afield_protocol::client::{BaseClient, CallId, Raw};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::OwnedSemaphorePermit;

/// One call that is under way. Dropping it cancels the call.
pub(crate) struct Call {
    link: Arc<Link>,
    id: CallId,
    over: bool,
    /// Its place among the requests this side may have active.
    _permit: OwnedSemaphorePermit,
}

impl Call {
    /// Sends the request. An error says that it was not sent.
    pub fn start(
        link: Arc<Link>,
        request: &Request,
        streamed: bool,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, Error> {
        let id = link.shared.lock().client.reserve();
        // Written outside the lock: it may be large.
        let text = BaseClient::encode(id, request, streamed);
        link.shared.call(id, text, streamed)?;
        Ok(Self { link, id, over: false, _permit: permit })
    }

    pub async fn buffered(mut self) -> Result<Buffered, Error> {
        let (head, body) = self.answer().await?.into_answer()?;
        self.over = true;
        Ok(Buffered { head, body })
    }

    pub async fn streamed(mut self) -> Result<Response, Error> {
        let (head, _) = self.answer().await?.into_answer()?;
        Ok(Response { head, body: ResponseBody::new(Body(self)) })
    }

    async fn answer(&mut self) -> Result<Raw, Error> {
        let answer = poll_fn(|cx| self.link.shared.poll_answer(self.id, cx)).await;
        self.over = answer.is_err();
        answer
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.over {
            self.link.shared.cancel(self.id);
        }
    }
}

/// The body of a streamed call.
struct Body(Call);

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.0.over {
            return Poll::Ready(None);
        }
        let read = self.0.link.shared.poll_body(self.0.id, cx);
        if matches!(read, Poll::Ready(None | Some(Err(_)))) {
            self.0.over = true;
        }
        read
    }
}

/// The base dialect carries a request body whole: reads one that is streamed, up to `limit` bytes.
pub(crate) async fn read_body(request: &mut Request, limit: usize) -> Result<(), Error> {
    let RequestBody::Stream { length, stream } = &mut request.body else { return Ok(()) };
    let too_large = || {
        Error::new(
            Kind::TooLarge,
            Blame::Caller,
            Retry::No,
            format!("this executor takes request bodies whole, of at most {limit} bytes"),
        )
        .with_detail(detail::REQUEST_BODY)
        .with_phase(Phase::Request)
    };
    let announced = *length;
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(bytes) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        let bytes = bytes.map_err(|error| {
            Error::new(
                Kind::Cancelled,
                Blame::Caller,
                Retry::Safe,
                format!("the request body failed: {error}"),
            )
            .with_phase(Phase::Request)
        })?;
        if body.len() + bytes.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&bytes);
    }
    if announced.is_some_and(|length| length != body.len() as u64) {
        return Err(Error::invalid(
            detail::REQUEST_BODY,
            "the request body is not of the length that was announced",
        ));
    }
    request.body = RequestBody::Bytes(body.freeze());
    Ok(())
}
