//! One connection of a caller, from accept to end.

use crate::{listener::Entrance, relay, shared::Shared, socket::Socket};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, pin::pin, sync::Arc};
use tokio::net::TcpStream;

/// Serves the connection until it ends, the caller leaves, or the gateway is over. Whatever is under way then is dropped,
/// and with it cancelled at the origin.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>, entrance: Entrance) {
    let socket = Socket::new(stream);
    let (draining, over) = (shared.draining.clone(), shared.over.clone());
    let service = service_fn(|request| {
        let (shared, socket, entrance) = (shared.clone(), socket.clone(), entrance.clone());
        async move { Ok::<_, Infallible>(relay::answer(&shared, &socket, &entrance, request).await) }
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
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = socket.left() => return,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
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
