//! One connection of a caller, from accept to end.

use crate::{
    busy::{Answering, Busy},
    listener::Entrance,
    relay,
    shared::Shared,
    socket::Socket,
    upload,
};
use http::{HeaderValue, header::CONNECTION};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};
use tokio::{net::TcpStream, sync::mpsc};

/// Serves the connection until it ends, the caller leaves, or the gateway is over. Whatever is under way then is dropped,
/// and with it cancelled at the origin.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>, entrance: Entrance) {
    let socket = Socket::new(stream);
    let (draining, over) = (shared.draining.clone(), shared.over.clone());
    let (leftover, mut leftovers) = mpsc::channel(1);
    let busy = Busy::new();
    let service = service_fn(|request| {
        let (shared, socket, entrance) = (shared.clone(), socket.clone(), entrance.clone());
        let leftover = leftover.clone();
        let under_way = busy.begin(shared.early());
        async move {
            let mut answer = relay::answer(&shared, &socket, &entrance, request, leftover).await;
            if shared.draining.is_cancelled() {
                // Its last one: the caller asks elsewhere, and need not find out by a connection that is gone.
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| Answering::new(body, under_way)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.head_timeout)
        .max_header_size(shared.head_bytes)
        // What is read ahead of a body, and written ahead of its reader, stays below the same size.
        .max_buf_size(shared.head_bytes.max(SMALLEST_BUFFER))
        .auto_date_header(false)
        .serve_connection(TokioIo::new(socket.clone()), service);
    let mut connection = pin!(connection);
    let mut draining_bodies = pin!(upload::drain(&mut leftovers));
    // An idle connection is not closed in the face of a request that is on its way.
    let told_to_end = async {
        draining.cancelled().await;
        let linger = if busy.is_fresh() { shared.linger.max(FIRST) } else { shared.linger };
        if !linger.is_zero() {
            busy.idle(linger).await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        never = draining_bodies.as_mut() => match never {},
        () = socket.left() => return,
        () = over.cancelled() => return socket.reset_on_close(),
        () = told_to_end => {
            if busy.is_fresh() {
                return;
            }
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                never = draining_bodies.as_mut() => match never {},
                () = socket.left() => return,
                () = over.cancelled() => return socket.reset_on_close(),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection failed");
    }
}

/// How long a connection that has asked for nothing yet may take for its first request, when the gateway drains.
const FIRST: Duration = Duration::from_millis(250);

/// hyper's HTTP/1 wants no less.
const SMALLEST_BUFFER: usize = 8192;
