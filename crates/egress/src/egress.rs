use crate::config::{ConfigError, EgressConfig};
use crate::exchange::Exchange;
use crate::failure;
use crate::generation::{Generation, Settings};
use crate::policy::Policy;
use crate::response::Incoming;
use crate::tls::tls_client_config;
use afield_exchange::{Buffered, Error, Head, Request, Response, ResponseBody};
use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Performs HTTP requests, each checked, vetted and under its deadlines. Cheap to clone; clones share policy and
/// connections. Needs a tokio runtime with time and I/O.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    settings: Arc<Settings>,
    generation: RwLock<Arc<Generation>>,
}

impl Egress {
    /// An egress with this configuration.
    ///
    /// # Errors
    ///
    /// If the CA file cannot be used or the HTTP client cannot be built.
    pub fn new(config: EgressConfig) -> Result<Self, ConfigError> {
        let tls = tls_client_config(&config.ca)?;
        let policy = config.policy.clone();
        let settings = Arc::new(Settings { config, tls });
        let generation = Generation::new(policy, Arc::clone(&settings))?;
        Ok(Self(Arc::new(Inner { settings, generation: RwLock::new(Arc::new(generation)) })))
    }

    /// Performs a request up to its response head; the body follows as it is read.
    ///
    /// Cancel safe in the only sense there is: dropping the future, or later the body, cancels the exchange through to the
    /// origin's socket. A request that was dropped may have been executed.
    ///
    /// # Errors
    ///
    /// See [`Error`]. What is refused before any network is `invalid_request`, `policy_denied` or `too_large`.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let (head, body) = self.exchange(request).await?;
        Ok(Response { head, body: ResponseBody::new(body) })
    }

    /// Performs a request and reads the response body whole, up to the limit `buffered_body_bytes`. A body that announces
    /// more is refused unread, one that turns out longer when it does.
    ///
    /// Cancelled like [`Egress::send`].
    ///
    /// # Errors
    ///
    /// As [`Egress::send`], and `too_large` with detail `response_body`.
    pub async fn call(&self, request: Request) -> Result<Buffered, Error> {
        let (head, body) = self.exchange(request).await?;
        let body = read_whole(body, self.0.settings.config.limits.buffered_body_bytes).await?;
        Ok(Buffered { head, body })
    }

    /// Puts another policy in force. Requests from now on go by it, over new connections; idle connections of the old
    /// policy close; exchanges that are running go on under the old one.
    pub fn reload(&self, policy: Policy) {
        let generation = Generation::new(policy, Arc::clone(&self.0.settings))
            .expect("a client was built from the same settings before");
        *self.0.generation.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(generation);
    }

    async fn exchange(&self, request: Request) -> Result<(Head, Incoming), Error> {
        let generation = Arc::clone(&self.0.generation.read().unwrap_or_else(PoisonError::into_inner));
        let Settings { config, .. } = &*self.0.settings;
        let exchange = Exchange::prepare(request, &generation, &config.limits, &*config.variables);
        let answer = match exchange {
            Ok(exchange) => exchange.perform().await,
            Err(error) => Err(error),
        };
        answer.inspect_err(failure::log)
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Egress").field(&self.0.settings.config).finish()
    }
}

/// The body in one piece: as it came if it came in one, else collected with no more room than was announced.
async fn read_whole(mut body: Incoming, limit: usize) -> Result<Bytes, Error> {
    let too_large = || Error::response_body_too_large(limit as u64);
    let announced = body.announced();
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let Some(first) = body.next().await.transpose()? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(too_large());
    }
    let Some(second) = body.next().await.transpose()? else { return Ok(first) };
    let mut whole =
        Vec::with_capacity(announced.map_or(first.len() + second.len(), |length| length as usize));
    whole.extend_from_slice(&first);
    drop(first);
    let mut piece = second;
    loop {
        if whole.len() + piece.len() > limit {
            return Err(too_large());
        }
        whole.extend_from_slice(&piece);
        match body.next().await.transpose()? {
            Some(next) => piece = next,
            None => return Ok(whole.into()),
        }
    }
}
