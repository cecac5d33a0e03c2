use crate::config::{ConfigError, EgressConfig};
use crate::exchange::{Context, Exchange};
use crate::explain::{self, Explanation};
use crate::failure;
use crate::generation::{Generation, Settings};
use crate::observe::Observer;
use crate::policy::Policy;
use crate::response::Incoming;
use crate::secrets::Secrets;
use crate::tls;
use crate::upstream::Upstreams;
use afield_exchange::{Buffered, Error, Head, Request, Response, ResponseBody};
use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Performs HTTP requests, each checked, vetted and under its deadlines. Cheap to clone; clones share policy and
/// connections. Needs a tokio runtime with time and I/O.
///
/// One handle performs requests of nobody in particular; [`Egress::for_principal`] gives one for somebody,
/// [`Egress::observed`] one that reports.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
    principal: Option<Arc<str>>,
    observer: Option<Arc<dyn Observer>>,
}

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
        let verifier = tls::general_verifier(&config.ca)?;
        let tls = tls::config(Arc::clone(&verifier))?;
        let settings = Arc::new(Settings { config, verifier, tls });
        let EgressConfig { policy, secrets, upstreams, .. } = &settings.config;
        let generation = Generation::new(policy, secrets.clone(), upstreams, &settings)?;
        let inner = Inner { generation: RwLock::new(Arc::new(generation)), settings };
        Ok(Self { inner: Arc::new(inner), principal: None, observer: None })
    }

    /// The same egress for the requests of this principal: by its policy, with its secrets and upstreams. Cheap.
    #[must_use]
    pub fn for_principal(&self, principal: &str) -> Self {
        Self { principal: Some(principal.into()), ..self.clone() }
    }

    /// The same egress, telling this observer of every hop. Cheap: one may be given for each request.
    #[must_use]
    pub fn observed(&self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self.clone() }
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
        let body = read_whole(body, self.inner.settings.config.limits.buffered_body_bytes).await?;
        Ok(Buffered::new(head, body))
    }

    /// Puts another policy, other secrets and other upstream rules in force, for all handles. Requests from now on go by
    /// them, over new connections; idle connections made under the old ones close; exchanges that are running go on under
    /// the old ones, their redirects included.
    pub fn reload(&self, policy: &Policy, secrets: Secrets, upstreams: &Upstreams) {
        let generation = Generation::new(policy, secrets, upstreams, &self.inner.settings)
            .expect("a client was built from the same settings before");
        *self.inner.generation.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(generation);
    }

    /// What the policy in force says of a request of this method to this URL. Unless `resolve`, no name is resolved; nothing
    /// is connected to in any case.
    ///
    /// # Errors
    ///
    /// If URL or method are not sound, or the name cannot be resolved.
    pub async fn explain(&self, method: &str, url: &str, resolve: bool) -> Result<Explanation, Error> {
        let generation = self.generation();
        explain::explain(&generation, self.principal.as_deref(), method, url, resolve).await
    }

    fn generation(&self) -> Arc<Generation> {
        Arc::clone(&self.inner.generation.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn exchange(&self, request: Request) -> Result<(Head, Incoming), Error> {
        let generation = self.generation();
        let Settings { config, .. } = &*self.inner.settings;
        let principal = self.principal.as_deref();
        let context = Context {
            view: generation.view(principal),
            limits: &config.limits,
            variables: &*config.variables,
            secrets: &generation.secrets,
            principal,
            observer: self.observer.as_ref(),
        };
        let answer = match Exchange::prepare(request, context) {
            Ok(exchange) => exchange.perform().await,
            Err(error) => Err(error),
        };
        answer.inspect_err(failure::log)
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Egress").field(&self.inner.settings.config).finish()
    }
}

/// The body in one piece: as it came if it came in one, else collected with no more room than was announced.
async fn read_whole(mut body: Incoming, limit: usize) -> Result<Bytes, Error> {
    let too_large = |body: Incoming| {
        let error = Error::response_body_too_large(limit as u64);
        body.abandon(&error);
        error
    };
    let announced = body.announced();
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(body));
    }
    let Some(first) = body.next().await.transpose()? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(too_large(body));
    }
    let Some(second) = body.next().await.transpose()? else { return Ok(first) };
    let mut whole =
        Vec::with_capacity(announced.map_or(first.len() + second.len(), |length| length as usize));
    whole.extend_from_slice(&first);
    drop(first);
    let mut piece = second;
    loop {
        if whole.len() + piece.len() > limit {
            return Err(too_large(body));
        }
        whole.extend_from_slice(&piece);
        match body.next().await.transpose()? {
            Some(next) => piece = next,
            None => return Ok(whole.into()),
        }
    }
}
