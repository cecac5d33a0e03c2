use crate::{
    audit::Noted,
    decoding, failure_log,
    inline::{Beginning, begin},
    shared::{Shared, State},
    shares::Place,
    turns,
    upload::Reader,
};
use afield_egress::Egress;
use afield_exchange::{
    Buffered, Error, Header, OnInformational, Phase, Request, Response, Retry, Share, Trailers,
};
use afield_protocol::{
    resumable::End,
    server::{CallId, Reply, Server},
    wire::Upload,
};
use bytes::Bytes;
use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// One call while it is performed. The future ends with the call; dropping it closes the origin's socket.
pub(crate) struct Call {
    pub id: CallId,
    pub request: Request,
    pub upload: Option<Upload>,
    /// Whether the orchestrator wants informational responses.
    pub informational: bool,
    /// Up to this many bytes an upload that the orchestrator has whole is kept, to be repeated.
    pub kept: usize,
    /// The session's tag, for the log.
    pub session: Arc<str>,
    pub manner: Manner,
    /// Where what is kept of its answer is counted.
    pub share: Share,
}

/// How a call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Whole.
    Buffered,
    /// The head, then the body as it comes.
    Streamed,
    /// As in afield/1: streamed, but a small body that is there at once goes with the head.
    Inline,
}

type Last = Box<dyn FnOnce(&mut State, std::time::Instant) + Send>;

/// How long an upload may stand still once its origin has answered whole.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(1);

impl Call {
    /// Performs the call and answers it. A defect in what performs it is an answer too, and harms no other call.
    ///
    /// The place is held until nothing is left at the origin.
    pub async fn perform(
        self,
        reply: Reply,
        egress: Egress,
        shared: Arc<Shared>,
        noted: Option<Arc<Noted>>,
        place: Arc<Place>,
    ) {
        let (id, has_upload, session) = (self.id, self.upload.is_some(), self.session.clone());
        let mut place = Some(place);
        let egress = match &noted {
            Some(noted) => egress.observed(noted.clone()),
            None => egress,
        };
        // Boxed: as a part of this future it would be copied with it wherever it is moved before it runs.
        let exchange = Box::pin(self.exchange(&reply, &egress, &shared));
        let outcome = AssertUnwindSafe(exchange).catch_unwind().await.unwrap_or_else(|_| {
            Err(Error::internal("the executor has a defect that this request met")
                .with_log("its task panicked"))
        });
        if let Err(error) = &outcome {
            failure_log::log(error, &egress, &session, &reply);
            if let Some(noted) = &noted {
                noted.failed(error);
            }
        }
        // An origin that refuses does not want the rest either.
        let patience = match &outcome {
            Ok((status, _)) if *status < 300 => UPLOAD_PATIENCE,
            _ => Duration::ZERO,
        };
        shared.with(|state, now| {
            // In the base dialect the place is free before the last word goes out, so that whoever hears it may ask
            // again. In afield/1 a call has its place until its answer is acknowledged.
            if matches!(state.server, Server::Base(_)) {
                place = None;
                state.calls.finish(id);
            }
            match outcome {
                Ok((_, last)) => last(state, now),
                Err(error) => state.server.fail(now, id, &error),
            }
        });
        if has_upload {
            shared.end_upload(id, patience).await;
        }
        drop(place);
    }

    /// Returns the origin's status and what is to be said last.
    async fn exchange(
        mut self,
        reply: &Reply,
        egress: &Egress,
        shared: &Arc<Shared>,
    ) -> Result<(u16, Last), Error> {
        let deadline = self.request.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if let Some(upload) = self.upload {
            let trailers = upload.trailers.then(Trailers::new);
            self.request.body =
                Reader::new(shared.clone(), self.id, trailers.clone()).body(upload, self.kept);
            self.request.trailers = trailers;
        }
        if self.informational {
            let (shared, id) = (shared.clone(), self.id);
            let pass = move |head| shared.with(|state, _| state.server.inform(id, &head));
            self.request.on_informational = Some(OnInformational::new(pass));
        }
        let Self { id, request, manner, share, kept, .. } = self;
        let decodes = decoding::is_wanted(&request, manner);
        let used_up = |_| Error::share_used_up(Retry::Unknown).with_phase(Phase::Body);
        if manner == Manner::Buffered {
            let mut answer = egress.call(request).await?;
            if decodes {
                answer = decoding::buffered(answer, kept).await?;
            }
            let bytes = reply.answer_bytes(&answer);
            let permit = share.take(bytes).map_err(used_up)?;
            let text = permit.hold(turns::blocking(bytes, || reply.answer(&answer)));
            return Ok((answer.head.status, Box::new(move |state, _| state.server.answer(id, text))));
        }
        let mut response = egress.send(request).await?;
        if decodes {
            response = decoding::streamed(response)?;
        }
        let status = response.head.status;
        let beginning = begin(&mut response, manner == Manner::Inline).await;
        if let Beginning { bytes, end: Some(Ok(())) } = beginning {
            // All at once: the driver, which may sleep on another thread, is woken for it once.
            if manner == Manner::Streamed {
                let head = share.hold(reply.head(&response.head)).map_err(used_up)?;
                let bytes = share.hold(bytes).map_err(used_up)?;
                return Ok((status, Box::new(move |state, now| say_whole(state, now, id, head, bytes))));
            }
            let trailers = response.body.take_trailers();
            // Too large ones are an error here as they are behind a body that streams.
            End::trailers(&trailers)?;
            let text = reply.answer(&Buffered::new(response.head, bytes).with_trailers(trailers));
            let text = share.hold(text).map_err(used_up)?;
            return Ok((status, Box::new(move |state, _| state.server.answer(id, text))));
        }
        head(id, reply.head(&response.head), &share, shared)?;
        if !beginning.bytes.is_empty() {
            pass(id, beginning.bytes, deadline, &share, shared).await?;
        }
        if let Some(Err(error)) = beginning.end {
            return Err(error);
        }
        let trailers = stream(id, response, deadline, &share, shared).await?;
        let end = if manner == Manner::Inline { End::trailers(&trailers)? } else { End::Complete };
        Ok((status, Box::new(move |state, now| state.server.finish(now, id, end))))
    }
}

/// Says the head, the body and the end of a small streamed answer, in the base dialect.
fn say_whole(state: &mut State, now: std::time::Instant, id: CallId, head: Bytes, body: Bytes) {
    state.server.head(id, head);
    if !body.is_empty() {
        state.server.body(now, id, body);
    }
    state.server.finish(now, id, End::Complete);
}

/// Passes the body on to its end, and returns the trailer fields.
async fn stream(
    id: CallId,
    mut response: Response,
    deadline: Option<Instant>,
    share: &Share,
    shared: &Shared,
) -> Result<Vec<Header>, Error> {
    while let Some(bytes) = response.body.next().await {
        pass(id, bytes?, deadline, share, shared).await?;
    }
    Ok(response.body.take_trailers())
}

/// Says the head of an answer whose body follows, if it can be kept until it is acknowledged.
fn head(id: CallId, text: Bytes, share: &Share, shared: &Shared) -> Result<(), Error> {
    let too_much = || Error::share_used_up(Retry::Unknown).with_phase(Phase::Head);
    let text = share.hold(text).map_err(|_| too_much())?;
    shared.with(|state, _| {
        if !state.server.keeps_answer(text.len()) {
            return Err(too_much());
        }
        state.server.head(id, text);
        Ok(())
    })
}

/// Passes bytes on, and waits for room for more.
async fn pass(
    id: CallId,
    bytes: Bytes,
    deadline: Option<Instant>,
    share: &Share,
    shared: &Shared,
) -> Result<(), Error> {
    let bytes = shared.keep(share, bytes).await?;
    if !shared.body(id, bytes) {
        // The deadline holds while nobody reads, too: then the body, asked once more, ends with it.
        match deadline {
            Some(deadline) => drop(timeout_at(deadline, shared.room(id)).await),
            None => shared.room(id).await,
        }
    }
    Ok(())
}
