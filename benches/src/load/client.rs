//! Through an executor, with afield's own client: what a program that uses it gets.

use super::{Call, Outcome, Pace, Stop};
use crate::Result;
use afield_client::{HttpClient as _, Remote, RemoteConfig};
use afield_exchange::{Request, RequestBody, Response};
use afield_transport::BearerToken;
use futures_util::future;
use std::{cell::RefCell, error::Error, time::Instant};

/// A session with an executor.
pub struct OwnClient(Remote);

impl OwnClient {
    /// Connects to `authority` (`HOST:PORT`).
    pub async fn connect(authority: &str) -> Result<Self> {
        Self::connect_as(authority, None).await
    }

    /// The same with a token.
    pub async fn connect_as(authority: &str, token: Option<&str>) -> Result<Self> {
        let token = token.map(BearerToken::new);
        let config = RemoteConfig { token, ..RemoteConfig::new(format!("ws://{authority}")) };
        Ok(Self(Remote::connect(config).await?))
    }

    /// Makes `call` over and over, `parallel` at a time.
    pub async fn run(&self, call: &Call, parallel: usize, stop: Stop) -> Result<Outcome> {
        run_over(std::slice::from_ref(self), std::slice::from_ref(call), parallel, stop).await
    }

    /// Opens `count` event streams and reads the first event of each.
    pub async fn hold(&self, url: &str, count: usize) -> Result<Vec<Response>> {
        let mut held = Vec::with_capacity(count);
        while held.len() < count {
            let opening = (0..OPENING.min(count - held.len())).map(|_| async {
                let mut response = self.open(url).await?;
                match response.body.next().await {
                    Some(event) => event.map(|_| response).map_err(Box::<dyn Error>::from),
                    None => Err("a stream that should stay open ended".into()),
                }
            });
            held.extend(future::try_join_all(opening).await?);
        }
        Ok(held)
    }

    /// A stream of which nothing is read.
    pub async fn open(&self, url: &str) -> Result<Response> {
        Ok(self.0.stream(Request::get(url)).await?)
    }

    async fn exchange(&self, call: &Call) -> Result<u64> {
        let body =
            if call.body.is_empty() { RequestBody::Empty } else { RequestBody::Bytes(call.body.clone()) };
        let request = Request::new(call.method, call.url.as_str()).body(body);
        let mut bytes = 0;
        if call.streamed {
            let mut response = self.0.stream(request).await?;
            while let Some(piece) = response.body.next().await {
                bytes += piece?.len() as u64;
            }
        } else {
            bytes = self.0.call(request).await?.body.len() as u64;
        }
        if bytes != call.expect {
            return Err(format!("{bytes} bytes came, not {}", call.expect).into());
        }
        Ok(bytes)
    }
}

/// How many streams are opened at a time.
const OPENING: usize = 32;

/// Makes calls over and over, `parallel` at a time, each with the next client and of the next of `calls`.
pub async fn run_over(clients: &[OwnClient], calls: &[Call], parallel: usize, stop: Stop) -> Result<Outcome> {
    let pace = RefCell::new(Pace::new(stop));
    let workers = (0..parallel).map(|_| async {
        loop {
            let turn = pace.borrow().started;
            if !pace.borrow_mut().start_one() {
                return Ok::<_, Box<dyn Error>>(());
            }
            let started = Instant::now();
            let bytes = clients[turn % clients.len()].exchange(&calls[turn % calls.len()]).await?;
            pace.borrow_mut().ended(started, bytes);
        }
    });
    future::try_join_all(workers).await?;
    Ok(pace.into_inner().outcome())
}
