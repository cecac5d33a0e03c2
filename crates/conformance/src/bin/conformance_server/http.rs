use crate::server::Server;
use http::{Response, StatusCode};
use http_body_util::{Either, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::{
    StreamableHttpServerConfig, StreamableHttpService,
    streamable_http_server::session::local::LocalSessionManager,
};
use std::{convert::Infallible, io, sync::Arc};
use tokio::{net::TcpListener, task::JoinSet};

/// Serves MCP at `/mcp`, and there alone.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    let server = Server::new();
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let stream = TokioIo::new(accepted?.0);
                let service = service.clone();
                let answer = service_fn(move |request: http::Request<Incoming>| {
                    let service = service.clone();
                    async move {
                        let answer = match request.uri().path() {
                            "/mcp" => service.handle(request).await.map(Either::Left),
                            _ => not_found().map(Either::Right),
                        };
                        Ok::<_, Infallible>(answer)
                    }
                });
                connections.spawn(async move {
                    // A client that goes away is no matter.
                    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(stream, answer).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn not_found() -> Response<Empty<hyper::body::Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
