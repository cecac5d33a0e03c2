//! One request performed: checked, sent, redirected, answered.

use crate::door::HOP;
use crate::failure;
use crate::generation::Generation;
use crate::hop::Hop;
use crate::policy::Destination;
use crate::redirect::{self, MAX_REDIRECTS};
use crate::request::headers::{self, Scope};
use crate::request::method::{self, expects_content};
use crate::request::target::Target;
use crate::request::upload;
use crate::request::variables::HeaderVariables;
use crate::response::{self, BodyDeadlines, Incoming};
use afield_exchange::{Error, Head, Header, Limits, Phase, RedirectPolicy, Request, RequestBody};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A request on its way: what of it holds for the next hop.
pub(crate) struct Exchange<'a> {
    generation: &'a Generation,
    limits: &'a Limits,
    method: Method,
    target: Target,
    /// The caller's fields; a redirect needs them again.
    given: Vec<Header>,
    /// The fields of the next hop.
    fields: HeaderMap,
    /// What the URL's userinfo stands for; lost at the first redirect to another origin.
    authorization: Option<HeaderValue>,
    scope: Scope,
    body: RequestBody,
    redirects: u32,
    follow: bool,
    deadlines: Deadlines,
}

#[derive(Clone, Copy)]
struct Deadlines {
    total: Option<Instant>,
    head: Duration,
    idle: Option<Duration>,
}

impl<'a> Exchange<'a> {
    /// Checks the request. Nothing is sent.
    pub(crate) fn prepare(
        request: Request,
        generation: &'a Generation,
        limits: &'a Limits,
        variables: &dyn HeaderVariables,
    ) -> Result<Self, Error> {
        let method = method::check(&request.method)?;
        let (target, authorization) = Target::parse(&request.url, limits.url_bytes)?;
        let fields = headers::first(&request.headers, limits, variables, &target)?;
        if request.timeout == Some(Duration::ZERO) {
            return Err(failure::already_past());
        }
        let deadlines = Deadlines {
            // A deadline beyond what the clock can express is none.
            total: request.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            head: request.head_timeout.unwrap_or(limits.head).min(limits.head),
            idle: request.idle_timeout,
        };
        Ok(Self {
            generation,
            limits,
            method,
            target,
            given: request.headers,
            fields,
            authorization,
            scope: Scope::default(),
            body: request.body,
            redirects: 0,
            follow: request.redirect == RedirectPolicy::Follow,
            deadlines,
        })
    }

    /// Sends the request and follows redirects, up to the head of the answer.
    pub(crate) async fn perform(mut self) -> Result<(Head, Incoming), Error> {
        loop {
            let replay = self.replay();
            let response = self.hop().await?;
            let (parts, body) = http::Response::from(response).into_parts();
            let distrusted = response::is_ambiguous(&parts) && !self.generation.distrust(&self.target);
            let why = distrusted.then_some("the origin announces two lengths for the body");
            if let Some(why) = response::refused(&parts).or(why) {
                return Err(failure::origin_protocol(why, Phase::Head).with_hop(self.redirects));
            }
            let next = self.follow.then(|| {
                redirect::location(parts.status, &parts.headers, &self.target, self.limits.url_bytes)
            });
            let becomes_get = redirect::becomes_get(parts.status, &self.method);
            match (next.flatten(), replay) {
                (Some(next), Some(replay)) => self.redirect_to(next, replay, becomes_get)?,
                (Some(next), None) if becomes_get => self.redirect_to(next, RequestBody::Empty, true)?,
                _ => {
                    let deadlines = BodyDeadlines { total: self.deadlines.total, idle: self.deadlines.idle };
                    let head = response::head(parts.status, &parts.headers);
                    return Ok((head, Incoming::new(body, deadlines, self.redirects)));
                }
            }
        }
    }

    /// The body once more, if it can be had once more.
    fn replay(&self) -> Option<RequestBody> {
        match &self.body {
            RequestBody::Empty => Some(RequestBody::Empty),
            RequestBody::Bytes(bytes) => Some(RequestBody::Bytes(bytes.clone())),
            RequestBody::Stream { .. } => None,
        }
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
        self.fields = headers::redirected(&self.given, self.limits, self.scope)?;
        Ok(())
    }

    /// One hop, from the door to the response head.
    async fn hop(&mut self) -> Result<reqwest::Response, Error> {
        let destination = Destination {
            scheme: self.target.scheme,
            host: self.target.host(),
            port: self.target.port,
            method: self.method.as_str(),
        };
        self.generation.door.vet(&destination, self.target.literal, self.redirects)?;

        let mut fields = std::mem::take(&mut self.fields);
        if let Some(authorization) = &self.authorization {
            fields.entry(AUTHORIZATION).or_insert_with(|| authorization.clone());
        }
        let other_host = fields.get(HOST).is_some_and(|host| !self.target.is_host(host.as_bytes()));
        if !other_host {
            fields.remove(HOST);
        }
        let client = self.generation.client(&self.target, other_host);

        upload::check_announced_empty(&mut self.body).await?;
        let body = std::mem::take(&mut self.body);
        match body.length() {
            Some(0) if expects_content(&self.method) => {
                fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            // The HTTP client would send such a body for other methods alone. HTTP/2 leaves the field out.
            None => {
                fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            _ => {}
        }
        let hop = Arc::new(Hop::new(
            self.redirects,
            self.target.scheme,
            self.target.port,
            upload::is_watched(&body),
        ));
        let mut request = reqwest::Request::new(self.method.clone(), self.target.url.clone());
        *request.headers_mut() = fields;
        *request.body_mut() = upload::for_client(body, &hop);
        let limits = self.limits;
        send(client, request, &hop, limits, &self.deadlines).await
    }
}

async fn send(
    client: &reqwest::Client,
    request: reqwest::Request,
    hop: &Arc<Hop>,
    limits: &Limits,
    deadlines: &Deadlines,
) -> Result<reqwest::Response, Error> {
    let started = Instant::now();
    let Deadlines { total, head, .. } = *deadlines;
    let mut pending = pin!(client.execute(request));
    let mut timer = pin!(sleep_until(earlier(total, started.checked_add(head))));
    poll_fn(|cx| {
        hop.before_poll();
        let polled = HOP.sync_scope(Arc::clone(hop), || pending.as_mut().poll(cx));
        if let Poll::Ready(response) = polled {
            return Poll::Ready(response.map_err(|error| failure::head(&error, hop, limits.connect)));
        }
        hop.after_poll();
        // One timer serves both deadlines. That for the head starts once the request is sent, which nobody announces,
        // so when the timer fires too early it is set again.
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if total.is_some_and(|total| total <= now) {
                return Poll::Ready(Err(failure::total_timeout(hop)));
            }
            let head_until = hop.sent_at().unwrap_or(now).checked_add(head);
            if head_until.is_some_and(|until| until <= now) {
                return Poll::Ready(Err(failure::head_timeout(hop, head)));
            }
            timer.as_mut().reset(earlier(total, head_until));
        }
        Poll::Pending
    })
    .await
}

/// The earlier of the two; with neither, a time too far off to matter.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
    match (one, other) {
        (Some(one), Some(other)) => one.min(other),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => Instant::now() + FAR,
    }
}
