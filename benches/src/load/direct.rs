//! Straight to the origin: one keep-alive connection for each call in parallel.

use super::{Call, Outcome, Pace, Stop};
use crate::Result;
use bytes::Bytes;
use futures_util::future;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::{cell::RefCell, time::Instant};
use tokio::net::TcpStream;

/// Connections to the origin.
pub struct DirectClient {
    connections: Vec<SendRequest<Full<Bytes>>>,
    authority: String,
}

impl DirectClient {
    /// Opens `connections` of them.
    pub async fn connect(authority: &str, connections: usize) -> Result<Self> {
        let mut client = Self { connections: Vec::new(), authority: authority.to_owned() };
        for _ in 0..connections {
            let stream = TcpStream::connect(authority).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            client.connections.push(sender);
        }
        Ok(client)
    }

    /// Makes `call` over and over, on every connection at once.
    pub async fn run(&mut self, call: &Call, stop: Stop) -> Result<Outcome> {
        let pace = RefCell::new(Pace::new(stop));
        let authority = &self.authority;
        let workers = self.connections.iter_mut().map(|connection| async {
            while pace.borrow_mut().start_one() {
                let started = Instant::now();
                let bytes = exchange(connection, call, authority).await?;
                pace.borrow_mut().ended(started, bytes);
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        });
        future::try_join_all(workers).await?;
        Ok(pace.into_inner().outcome())
    }
}

async fn exchange(connection: &mut SendRequest<Full<Bytes>>, call: &Call, authority: &str) -> Result<u64> {
    let path = call.url.split_once(authority).map_or("/", |(_, path)| path);
    let request = Request::builder()
        .method(call.method)
        .uri(path)
        .header("host", authority)
        .body(Full::new(call.body.clone()))?;
    connection.ready().await?;
    let mut body = connection.send_request(request).await?.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    if bytes != call.expect {
        return Err(format!("the origin sent {bytes} bytes, not {}", call.expect).into());
    }
    Ok(bytes)
}
