//! Through an executor, with afield's own client: what a program that uses it gets.

use super::{Call, Outcome, Pace, Stop};
use crate::Result;
use afield_client::{HttpClient as _, Remote, RemoteConfig};
use afield_exchange::{Request, RequestBody, Response};
use futures_util::future;
use std::{cell::RefCell, time::Instant};

/// A session with an executor.
pub struct OwnClient(Remote);

impl OwnClient {
    /// Connects to `authority` (`HOST:PORT`).
    pub async fn connect(authority: &str) -> Result<Self> {
        Ok(Self(Remote::connect(RemoteConfig::new(format!("ws://{authority}"))).await?))
    }

    /// Makes `call` over and over, `parallel` at a time.
    pub async fn run(&self, call: &Call, parallel: usize, stop: Stop) -> Result<Outcome> {
        let pace = RefCell::new(Pace::new(stop));
        let workers = (0..parallel).map(|_| async {
            while pace.borrow_mut().start_one() {
                let started = Instant::now();
                let bytes = self.exchange(call).await?;
                pace.borrow_mut().ended(started, bytes);
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        });
        future::try_join_all(workers).await?;
        Ok(pace.into_inner().outcome())
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
