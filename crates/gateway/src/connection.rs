//! One connection of a caller, from accept to end.

use crate::{listener::Entrance, relay, shared::Shared, socket::Socket, upload};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, pin::pin, sync::Arc};
use tokio::{net::TcpStream, sync::mpsc};

/// Serves the connection until it ends, the caller leaves, or the gateway is over. Whatever is under way then is dropped,
/// and with it cancelled at the origin.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>, entrance: Entrance) {
    let socket = Socket::new(stream);
    let (draining, over) = (shared.draining.clone(), shared.over.clone());
    let (leftover, mut leftovers) = mpsc::channel(1);
    let service = service_fn(|request| {
        let (shared, socket, entrance) = (shared.clone(), socket.clone(), entrance.clone());
        let leftover = leftover.clone();
        async move { Ok::<_, Infallible>(relay::answer(&shared, &socket, &entrance, request, leftover).await) }
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
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        never = draining_bodies.as_mut() => match never {},
        () = socket.left() => return,
        () = draining.cancelled() => {
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

/// hyper's HTTP/1 wants no less.
const SMALLEST_BUFFER: usize = 8192;
