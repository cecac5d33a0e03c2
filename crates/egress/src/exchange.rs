//! One request performed: checked, sent, redirected, answered.

use crate::attempt::{Deadlines, Failed, send};
use crate::clients::Clients;
use crate::failure;
use crate::generation::View;
use crate::hop::Hop;
use crate::observe::{HopOutcome, Observer, Watch};
use crate::policy::Scheme;
use crate::redirect::{self, MAX_REDIRECTS};
use crate::request::headers::{self, Completion, Scope};
use crate::request::host;
use crate::request::method::{self, expects_content};
use crate::request::target::Target;
use crate::request::upload;
use crate::request::variables::HeaderVariables;
use crate::response::{self, BodyDeadlines, Incoming};
use crate::secrets::{Going, Secrets, Sent};
use crate::upstream::{Slot, Way};
use afield_exchange::{Error, Head, Header, Limits, Phase, RedirectPolicy, Request, RequestBody};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A request on its way: what of it holds for the next hop.
pub(crate) struct Exchange<'a> {
    context: Context<'a>,
    method: Method,
    target: Target,
    /// The caller's fields; a redirect needs them again.
    given: Vec<Header>,
    /// The fields of the next attempt.
    fields: HeaderMap,
    /// What the URL's userinfo stands for; lost at the first redirect to another origin.
    authorization: Option<HeaderValue>,
    scope: Scope,
    /// The body of the next attempt.
    body: RequestBody,
    redirects: u32,
    follow: bool,
    deadlines: Deadlines,
    idle: Option<Duration>,
    /// The secrets that were sent so far.
    sent: Vec<Sent>,
    /// What made the last attempt.
    clients: Option<Arc<Clients>>,
}

/// What a request is performed under.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) view: &'a View,
    pub(crate) limits: &'a Limits,
    pub(crate) variables: &'a dyn HeaderVariables,
    pub(crate) secrets: &'a Secrets,
    pub(crate) principal: Option<&'a str>,
    pub(crate) observer: Option<&'a Arc<dyn Observer>>,
}

impl<'a> Context<'a> {
    fn completion(&self, target: &'a Target, method: &'a Method) -> Completion<'a> {
        let going = Going { target, method: method.as_str(), principal: self.principal };
        Completion { variables: self.variables, secrets: self.secrets, going }
    }
}

/// How often what an HTTP/2 origin has not processed is sent again.
const RESENDS: usize = 2;

impl<'a> Exchange<'a> {
    /// Checks the request. Nothing is sent.
    pub(crate) fn prepare(request: Request, context: Context<'a>) -> Result<Self, Error> {
        let limits = context.limits;
        let method = method::check(&request.method)?;
        let (target, authorization) = Target::parse(&request.url, limits.url_bytes)?;
        let (scope, mut sent) = (Scope::default(), Vec::new());
        let fields = {
            let completion = context.completion(&target, &method);
            headers::of_hop(&request.headers, limits, scope, &completion, &mut sent)?
        };
        if request.timeout == Some(Duration::ZERO) {
            return Err(failure::already_past());
        }
        let deadlines = Deadlines {
            // A deadline beyond what the clock can express is none.
            total: request.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            head: request.head_timeout.unwrap_or(limits.head).min(limits.head),
            connect: limits.connect,
        };
        Ok(Self {
            context,
            method,
            target,
            given: request.headers,
            fields,
            authorization,
            scope,
            body: request.body,
            redirects: 0,
            follow: request.redirect == RedirectPolicy::Follow,
            deadlines,
            idle: request.idle_timeout,
            sent,
            clients: None,
        })
    }

    /// Sends the request and follows redirects, up to the head of the answer.
    pub(crate) async fn perform(mut self) -> Result<(Head, Incoming), Error> {
        upload::check_announced_empty(&mut self.body, self.deadlines.total).await?;
        loop {
            let mut replay = self.body.again();
            let hop = self.redirects;
            let (response, mut watch) =
                self.watched_hop(&mut replay).await.map_err(|error| at(hop, error))?;
            let (head, body) = http::Response::from(response).into_parts();
            if let Err(error) = self.check(&head) {
                if let Some(watch) = watch.take() {
                    watch.failed(&error);
                }
                return Err(error);
            }
            let becomes_get = redirect::becomes_get(head.status, &self.method);
            let (next, replay) = match (self.next(&head), replay) {
                (Some(next), Some(replay)) => (next, replay),
                (Some(next), None) if becomes_get => (next, RequestBody::Empty),
                _ => {
                    let deadlines = BodyDeadlines { total: self.deadlines.total, idle: self.idle };
                    let answer = response::head(head.status, &head.headers, &self.sent);
                    return Ok((answer, Incoming::new(body, deadlines, self.redirects, watch)));
                }
            };
            if let Some(watch) = watch {
                watch.ended(HopOutcome::Redirected);
            }
            self.redirect_to(next, replay, becomes_get).map_err(|error| at(hop + 1, error))?;
        }
    }

    /// One hop, reported to whoever observes it if it fails, else handed on to be.
    async fn watched_hop(
        &mut self,
        replay: &mut Option<RequestBody>,
    ) -> Result<(reqwest::Response, Option<Watch>), Error> {
        let Some(observer) = self.context.observer else {
            return Ok((self.hop(replay, None).await?, None));
        };
        let mut watch = Watch::new(observer, &self.target, self.method.as_str(), self.redirects);
        match self.hop(replay, Some(&mut watch)).await {
            Ok(response) => {
                self.answered(&response, &mut watch);
                Ok((response, Some(watch)))
            }
            Err(error) => {
                watch.failed(&error);
                Err(error)
            }
        }
    }

    /// Notes what an answer says of its hop. A pooled connection was judged when it was made; what judged it is found by its
    /// address.
    fn answered(&self, response: &reqwest::Response, watch: &mut Watch) {
        let address = response.remote_addr().map(|address| address.ip());
        let (target, door) = (&self.target, &self.context.view.door);
        let is_proxied = watch.is_proxied();
        let report = watch.report();
        report.status = Some(response.status().as_u16());
        report.address = address;
        if let Some(address) = address.filter(|_| !is_proxied && target.literal.is_none()) {
            report.rule = Some(door.decide(&target.destination(&self.method), address).rule);
        }
    }

    fn check(&self, head: &Parts) -> Result<(), Error> {
        let refused = match response::refused(head) {
            None if response::is_ambiguous(head) && !self.distrust() => {
                Some("the origin announces two lengths for the body")
            }
            refused => refused,
        };
        match refused {
            Some(why) => Err(failure::origin_protocol(why, Phase::Head).with_hop(self.redirects)),
            None => Ok(()),
        }
    }

    /// From here on no connection to this origin is used twice. False if that cannot be promised.
    fn distrust(&self) -> bool {
        self.clients.as_ref().is_none_or(|clients| clients.distrust(&self.target))
    }

    fn next(&self, head: &Parts) -> Option<Target> {
        let limit = self.context.limits.url_bytes;
        let location = || redirect::location(head.status, &head.headers, &self.target, limit, &self.sent);
        self.follow.then(location).flatten()
    }

    fn redirect_to(&mut self, next: Target, replay: RequestBody, becomes_get: bool) -> Result<(), Error> {
        if self.redirects == MAX_REDIRECTS {
            return Err(failure::too_many_redirects(MAX_REDIRECTS));
        }
        self.redirects += 1;
        self.scope.redirected = true;
        if !next.same_origin(&self.target) {
            self.scope.crossed_origins = true;
            self.authorization = None;
        }
        if becomes_get {
            self.method = Method::GET;
            self.scope.lost_body = true;
            self.body = RequestBody::Empty;
        } else {
            self.body = replay;
        }
        self.target = next;
        self.rebuild_fields()
    }

    fn rebuild_fields(&mut self) -> Result<(), Error> {
        let completion = self.context.completion(&self.target, &self.method);
        let limits = self.context.limits;
        self.fields = headers::of_hop(&self.given, limits, self.scope, &completion, &mut self.sent)?;
        Ok(())
    }

    /// One hop, up to the response head. What an HTTP/2 origin says it has not processed is sent again.
    async fn hop(
        &mut self,
        replay: &mut Option<RequestBody>,
        mut watch: Option<&mut Watch>,
    ) -> Result<reqwest::Response, Error> {
        let mut resends = 0;
        loop {
            let failed = match self.attempt(watch.as_deref_mut()).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            match replay.as_ref().and_then(RequestBody::again) {
                Some(body) if failed.unprocessed && resends < RESENDS => self.body = body,
                _ => return Err(failed.error),
            }
            resends += 1;
            self.rebuild_fields()?;
        }
    }

    /// Through the door and to the response head. Takes body and fields.
    async fn attempt(&mut self, watch: Option<&mut Watch>) -> Result<reqwest::Response, Failed> {
        let (target, view) = (&self.target, self.context.view);
        let uploads = upload::is_watched(&self.body);
        let hop = Arc::new(Hop::new(self.redirects, target.scheme, target.port, uploads, watch.is_some()));
        let upstream = view.upstream(target);
        if let Some(watch) = watch {
            watch.attempt(&hop);
            watch.report().upstream = upstream.map(|slot| slot.upstream().name().to_owned());
            watch.report().secrets = self.secrets_sent();
        }
        view.door.vet(&target.destination(&self.method), target.literal, &hop)?;
        host::check(&self.fields, target, &self.method, &view.door, upstream, &hop)?;
        let way = way(view, upstream, target, &hop, self.deadlines.total).await?;
        host::check_way(&self.fields, target, upstream, way == Way::Proxied)?;
        let clients = self.clients.insert(view.clients(upstream, way)?);

        let body = std::mem::take(&mut self.body);
        let mut fields = std::mem::take(&mut self.fields);
        if let Some(authorization) = &self.authorization {
            fields.entry(AUTHORIZATION).or_insert_with(|| authorization.clone());
        }
        let own_host = fields.get(HOST).is_some_and(|host| !target.is_host(host.as_bytes()));
        if !own_host {
            fields.remove(HOST);
        }
        match body.length() {
            Some(0) if expects_content(&self.method) => {
                fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            // Unasked, the HTTP client would drop such a body of a `GET`. HTTP/2 leaves the field out.
            None => {
                fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            _ => {}
        }
        let mut request = reqwest::Request::new(self.method.clone(), target.url.clone());
        *request.headers_mut() = fields;
        *request.body_mut() = upload::for_client(body, &hop);
        let http1 = own_host && target.scheme == Scheme::Https;
        send(clients.client(target, http1), request, &hop, &self.deadlines).await
    }

    /// The names of the secrets that the next attempt carries.
    fn secrets_sent(&self) -> Vec<String> {
        match self.scope.crossed_origins {
            true => Vec::new(),
            false => self.sent.iter().map(|sent| sent.name.clone()).collect(),
        }
    }
}

/// An error of this hop, which says so: whether anything was executed depends on it.
fn at(hop: u32, error: Error) -> Error {
    match error.hop() {
        None if hop > 0 => error.with_hop(hop),
        _ => error,
    }
}

/// By which way a hop goes. Where its upstream has a proxy, that is known once its name is resolved.
async fn way(
    view: &View,
    upstream: Option<&Slot>,
    target: &Target,
    hop: &Hop,
    total: Option<Instant>,
) -> Result<Way, Error> {
    let Some(proxy) = upstream.and_then(Slot::proxy) else { return Ok(Way::Direct) };
    let way = view.door.way(target, proxy, hop);
    let way = match total {
        Some(total) => timeout_at(total, way).await.map_err(|_| failure::total_timeout(hop))?,
        None => way.await,
    };
    way.map_err(|refused| refused.0)
}
