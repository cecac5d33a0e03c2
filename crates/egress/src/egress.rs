use crate::config::{ConfigError, EgressConfig};
use crate::exchange::{Context, Exchange};
use crate::explain::{self, Explanation};
use crate::failure;
use crate::generation::{Generation, Settings};
use crate::kept::Kept;
use crate::observe::Observer;
use crate::policy::Policy;
use crate::response::Incoming;
use crate::secrets::Secrets;
use crate::tls;
use crate::upstream::Upstreams;
use afield_exchange::{
    BodyFrame, Buffered, Error, Head, Header, Request, Response, ResponseBody, Retry, Share,
};
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
    kept: Option<Kept>,
    logs: bool,
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
    /// If the CA file cannot be used, or TLS cannot be set up.
    pub fn new(config: EgressConfig) -> Result<Self, ConfigError> {
        let verifier = tls::general_verifier(&config.ca)?;
        let tls = tls::config(Arc::clone(&verifier))?;
        let settings = Arc::new(Settings { config, verifier, tls });
        let EgressConfig { policy, secrets, upstreams, .. } = &settings.config;
        let generation = Generation::new(policy, secrets.clone(), upstreams, &settings);
        let inner = Inner { generation: RwLock::new(Arc::new(generation)), settings };
        Ok(Self { inner: Arc::new(inner), principal: None, observer: None, kept: None, logs: true })
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

    /// The same egress, counting here what it keeps: bodies that are read whole, what HTTP/2 origins may send ahead, and unused
    /// connections, which are closed where there is no room for them. Cheap.
    #[must_use]
    pub fn within(&self, kept: Kept) -> Self {
        Self { kept: Some(kept), ..self.clone() }
    }

    /// The same egress, which leaves it to its owner to log that a request failed. Cheap.
    #[must_use]
    pub fn without_log(&self) -> Self {
        Self { logs: false, ..self.clone() }
    }

    /// Returns the principal whose requests this handle performs.
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
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
        // Boxed: what it takes to get an answer is more than what a body needs that may stream for hours.
        let (head, body) = Box::pin(self.exchange(request)).await?;
        Ok(Response { head, body: ResponseBody::from_frames(body) })
    }

    /// Performs a request and reads the response body whole, up to the limit `buffered_body_bytes`. A body that announces
    /// more is refused unread, one that turns out longer when it does.
    ///
    /// Cancelled like [`Egress::send`].
    ///
    /// # Errors
    ///
    /// As [`Egress::send`], `too_large` with detail `response_body`, and `overloaded` where the share has no room for it.
    pub async fn call(&self, request: Request) -> Result<Buffered, Error> {
        let (head, body) = Box::pin(self.exchange(request)).await?;
        let limit = self.inner.settings.config.limits.buffered_body_bytes;
        let (body, trailers) = read_whole(body, limit, self.kept.as_ref().map(|kept| &kept.bytes)).await?;
        Ok(Buffered::new(head, body).with_trailers(trailers))
    }

    /// Puts another policy, other secrets and other upstream rules in force, for all handles. Requests from now on go by
    /// them, over new connections; idle connections made under the old ones close; exchanges that are running go on under
    /// the old ones, their redirects included.
    pub fn reload(&self, policy: &Policy, secrets: Secrets, upstreams: &Upstreams) {
        let generation = Generation::new(policy, secrets, upstreams, &self.inner.settings);
        *self.inner.generation.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(generation);
    }

    /// What the policy in force says of a request of this method to this URL. Unless `resolve`, no name is resolved; nothing
    /// is connected to in any case.
    ///
    /// # Errors
    ///
    /// If URL or method are not sound, or the name cannot be resolved.
    pub async fn explain(&self, method: &str, url: &str, resolve: bool) -> Result<Explanation, Error> {
        self.explain_with_host(method, url, None, resolve).await
    }

    /// The same for a request with a `Host` of the caller's own, if one is given.
    ///
    /// # Errors
    ///
    /// As [`Egress::explain`], and if the host is none that a URL could name.
    pub async fn explain_with_host(
        &self,
        method: &str,
        url: &str,
        host: Option<&str>,
        resolve: bool,
    ) -> Result<Explanation, Error> {
        let generation = self.generation();
        explain::explain(&generation, self.principal.as_deref(), method, url, host, resolve).await
    }

    /// Whether a request to this URL may have this header field completed with the secret that comes from this environment
    /// variable.
    pub fn may_complete(&self, variable: &str, header: &str, url: &str) -> bool {
        explain::may_complete(&self.generation(), self.principal.as_deref(), variable, header, url)
    }

    fn generation(&self) -> Arc<Generation> {
        Arc::clone(&self.inner.generation.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn exchange(&self, request: Request) -> Result<(Head, Incoming), Error> {
        let generation = self.generation();
        let Settings { config, .. } = &*self.inner.settings;
        let principal = self.principal.as_deref();
        let context = Context {
            asker: self.principal.as_ref(),
            view: generation.view(principal),
            limits: &config.limits,
            variables: &*config.variables,
            secrets: &generation.secrets,
            principal,
            observer: self.observer.as_ref(),
            kept: self.kept.as_ref(),
            logs: self.logs,
        };
        let answer = match Exchange::prepare(request, context) {
            Ok(exchange) => exchange.perform().await,
            Err(error) => Err(error),
        };
        answer.inspect_err(|error| {
            if self.logs {
                failure::log(error);
            }
        })
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Egress").field(&self.inner.settings.config).finish()
    }
}

/// The body in one piece, and its trailer fields: as it came if it came in one, else collected with no more room than was
/// announced. Counted in the share while it grows, and for as long as it is kept.
async fn read_whole(
    mut body: Incoming,
    limit: usize,
    share: Option<&Share>,
) -> Result<(Bytes, Vec<Header>), Error> {
    let too_large = || Error::response_body_too_large(limit as u64);
    let announced = body.announced();
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(give_up(body, too_large()));
    }
    let mut permit = share.map(|share| share.take_anyway(0));
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    let mut trailers = Vec::new();
    while let Some(frame) = body.next().await.transpose()? {
        let piece = match frame {
            BodyFrame::Data(piece) => piece,
            BodyFrame::Trailers(fields) => {
                trailers = fields;
                continue;
            }
        };
        let kept = first.len() + whole.len();
        if kept + piece.len() > limit {
            return Err(give_up(body, too_large()));
        }
        if permit.as_mut().is_some_and(|permit| permit.grow(piece.len()).is_err()) {
            return Err(give_up(body, Error::share_used_up(Retry::Unknown)));
        }
        if kept == 0 {
            first = piece;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(announced.map_or(kept + piece.len(), |length| length as usize));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&piece);
    }
    let whole = if whole.is_empty() { first } else { whole.into() };
    let whole = match permit {
        Some(permit) => permit.hold(whole),
        None => whole,
    };
    Ok((whole, trailers))
}

fn give_up(body: Incoming, error: Error) -> Error {
    body.abandon(&error);
    error
}
