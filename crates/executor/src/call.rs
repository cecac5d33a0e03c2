use crate::shared::Shared;
use afield_egress::Egress;
use afield_exchange::{Error, Request};
use afield_protocol::server::{CallId, Reply};
use std::sync::Arc;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

/// One call while it is performed. The future ends with the call; dropping it closes the origin's socket.
pub(crate) struct Call {
    pub id: CallId,
    pub request: Request,
    pub streamed: bool,
    pub reply: Reply,
    /// Its place among the executor's active requests, given back when the call has ended.
    pub permit: OwnedSemaphorePermit,
}

impl Call {
    pub async fn perform(self, egress: Egress, shared: Arc<Shared>) {
        let Self { id, request, streamed, reply, permit } = self;
        // Boxed: as a part of this future they would be copied with it wherever it is moved before it runs.
        let outcome = if streamed {
            Box::pin(stream(id, request, &reply, &egress, &shared)).await
        } else {
            Box::pin(buffer(id, request, &reply, &egress)).await
        };
        if let Err(error) = &outcome {
            log(error);
        }
        shared.with(|server, now| {
            match outcome {
                Ok(last) => last(server, now),
                Err(error) => server.fail(now, id, &error),
            }
            // The place is free before the last word goes out, so whoever hears it may ask again; and not before it
            // is with the machine, so a drain that waits for all places loses no answer.
            drop(permit);
        });
    }
}

type Last = Box<dyn FnOnce(&mut afield_protocol::server::BaseServer, std::time::Instant) + Send>;

async fn buffer(id: CallId, request: Request, reply: &Reply, egress: &Egress) -> Result<Last, Error> {
    let answer = egress.call(request).await?;
    let text = reply.answer(&answer);
    Ok(Box::new(move |server, _| server.answer(id, text)))
}

async fn stream(
    id: CallId,
    request: Request,
    reply: &Reply,
    egress: &Egress,
    shared: &Shared,
) -> Result<Last, Error> {
    let deadline = request.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut response = egress.send(request).await?;
    let text = reply.head(&response.head);
    shared.with(|server, _| server.head(id, text));
    while let Some(bytes) = response.body.next().await {
        if !shared.body(id, bytes?) {
            // The deadline holds while nobody reads, too: then the body, asked once more, ends with it.
            match deadline {
                Some(deadline) => drop(timeout_at(deadline, shared.room(id)).await),
                None => shared.room(id).await,
            }
        }
    }
    Ok(Box::new(move |server, now| server.finish(now, id)))
}

fn log(error: &Error) {
    let log = error.log().unwrap_or_default();
    match error.kind() {
        afield_exchange::Kind::Internal => tracing::error!(?error, log, "a request failed by a defect"),
        _ => tracing::debug!(?error, log, "a request failed"),
    }
}
