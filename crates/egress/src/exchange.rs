//! One request performed: checked, sent, redirected, answered.

use crate::attempt::{Deadlines, Failed, send};
use crate::failure;
use crate::generation::Generation;
use crate::hop::Hop;
use crate::policy::{Destination, Scheme};
use crate::redirect::{self, MAX_REDIRECTS};
use crate::request::headers::{self, Scope};
use crate::request::method::{self, expects_content};
use crate::request::target::Target;
use crate::request::upload;
use crate::request::variables::HeaderVariables;
use crate::response::{self, BodyDeadlines, Incoming};
use afield_exchange::{Error, Head, Header, Limits, Phase, RedirectPolicy, Request, RequestBody};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A request on its way: what of it holds for the next hop.
pub(crate) struct Exchange<'a> {
    generation: &'a Generation,
    limits: &'a Limits,
    variables: &'a dyn HeaderVariables,
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
}

/// How often what an HTTP/2 origin has not processed is sent again.
const RESENDS: usize = 2;

impl<'a> Exchange<'a> {
    /// Checks the request. Nothing is sent.
    pub(crate) fn prepare(
        request: Request,
        generation: &'a Generation,
        limits: &'a Limits,
        variables: &'a dyn HeaderVariables,
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
            connect: limits.connect,
        };
        Ok(Self {
            generation,
            limits,
            variables,
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
            idle: request.idle_timeout,
        })
    }

    /// Sends the request and follows redirects, up to the head of the answer.
    pub(crate) async fn perform(mut self) -> Result<(Head, Incoming), Error> {
        upload::check_announced_empty(&mut self.body, self.deadlines.total).await?;
        loop {
            let mut replay = upload::again(&self.body);
            let response = self.hop(&mut replay).await?;
            let (head, body) = http::Response::from(response).into_parts();
            self.check(&head)?;
            let becomes_get = redirect::becomes_get(head.status, &self.method);
            match (self.next(&head), replay) {
                (Some(next), Some(replay)) => self.redirect_to(next, replay, becomes_get)?,
                (Some(next), None) if becomes_get => self.redirect_to(next, RequestBody::Empty, true)?,
                _ => {
                    let deadlines = BodyDeadlines { total: self.deadlines.total, idle: self.idle };
                    let answer = response::head(head.status, &head.headers);
                    return Ok((answer, Incoming::new(body, deadlines, self.redirects)));
                }
            }
        }
    }

    fn check(&self, head: &Parts) -> Result<(), Error> {
        let refused = match response::refused(head) {
            None if response::is_ambiguous(head) && !self.generation.distrust(&self.target) => {
                Some("the origin announces two lengths for the body")
            }
            refused => refused,
        };
        match refused {
            Some(why) => Err(failure::origin_protocol(why, Phase::Head).with_hop(self.redirects)),
            None => Ok(()),
        }
    }

    fn next(&self, head: &Parts) -> Option<Target> {
        let location = || redirect::location(head.status, &head.headers, &self.target, self.limits.url_bytes);
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
        self.fields = match self.scope.redirected {
            false => headers::first(&self.given, self.limits, self.variables, &self.target)?,
            true => headers::redirected(&self.given, self.limits, self.scope)?,
        };
        Ok(())
    }

    /// One hop, up to the response head. What an HTTP/2 origin says it has not processed is sent again.
    async fn hop(&mut self, replay: &mut Option<RequestBody>) -> Result<reqwest::Response, Error> {
        let mut resends = 0;
        loop {
            let failed = match self.attempt().await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            match replay.as_ref().and_then(upload::again) {
                Some(body) if failed.unprocessed && resends < RESENDS => self.body = body,
                _ => return Err(failed.error),
            }
            resends += 1;
            self.rebuild_fields()?;
        }
    }

    /// Through the door and to the response head. Takes body and fields.
    async fn attempt(&mut self) -> Result<reqwest::Response, Failed> {
        let target = &self.target;
        let destination = Destination {
            scheme: target.scheme,
            host: target.host(),
            port: target.port,
            method: self.method.as_str(),
        };
        self.generation.door.vet(&destination, target.literal, self.redirects)?;

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
        let uploads = upload::is_watched(&body);
        let hop = Arc::new(Hop::new(self.redirects, target.scheme, target.port, uploads));
        let mut request = reqwest::Request::new(self.method.clone(), target.url.clone());
        *request.headers_mut() = fields;
        *request.body_mut() = upload::for_client(body, &hop);
        let http1 = own_host && target.scheme == Scheme::Https;
        send(self.generation.client(target, http1), request, &hop, &self.deadlines).await
    }
}
