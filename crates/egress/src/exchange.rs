//! One request performed: checked, sent, redirected, answered.

use crate::attempt::{Answer, Attempt};
use crate::deadlines::Deadlines;
use crate::failure::{self, Failed};
use crate::generation::View;
use crate::kept::Kept;
use crate::observe::{HopOutcome, Observer, Watch};
use crate::redirect::{self, MAX_REDIRECTS};
use crate::request::headers::{self, Completion, Scope};
use crate::request::method;
use crate::request::target::Target;
use crate::request::upload;
use crate::request::variables::HeaderVariables;
use crate::response::{self, BodyDeadlines, Incoming, Rest};
use crate::secrets::{Going, Secrets, Sent};
use crate::stopwatch::Stopwatch;
use afield_exchange::{
    Error, Head, Header, Limits, OnInformational, RedirectPolicy, Request, RequestBody, RuledOut, Trailers,
    VersionPreference,
};
use http::header::AUTHORIZATION;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument;

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
    ruled_out: RuledOut,
    deadlines: Deadlines,
    idle: Option<Duration>,
    /// The secrets that were sent so far.
    sent: Vec<Sent>,
    trailers: Option<Trailers>,
    /// Their names. HTTP/1 sends none that were not announced.
    trailer_names: Option<HeaderValue>,
    listener: Option<OnInformational>,
    version: VersionPreference,
    /// Whether the caller wants the body held back until the origin asks for it.
    expects: bool,
    stopwatch: Stopwatch,
}

/// What a request is performed under.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The principal once more, to be kept by what outlives the request.
    pub(crate) asker: Option<&'a Arc<str>>,
    pub(crate) view: &'a View,
    pub(crate) limits: &'a Limits,
    pub(crate) variables: &'a dyn HeaderVariables,
    pub(crate) secrets: &'a Secrets,
    pub(crate) principal: Option<&'a str>,
    pub(crate) observer: Option<&'a Arc<dyn Observer>>,
    pub(crate) kept: Option<&'a Kept>,
    /// Whether failures are logged here.
    pub(crate) logs: bool,
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
            connect: request.connect_timeout.unwrap_or(limits.connect).min(limits.connect),
        };
        let expects = headers::expects_continue(&request.headers);
        let trailer_names =
            request.trailers.as_ref().and_then(|_| headers::announced_trailers(&request.headers));
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
            ruled_out: request.ruled_out,
            deadlines,
            idle: request.idle_timeout,
            sent,
            trailers: request.trailers,
            trailer_names,
            listener: request.on_informational,
            version: request.http_version,
            expects,
            stopwatch: Stopwatch::start(),
        })
    }

    /// Sends the request and follows redirects, up to the head of the answer.
    pub(crate) async fn perform(mut self) -> Result<(Head, Incoming), Error> {
        upload::check_announced_empty(&mut self.body, self.deadlines.total).await?;
        loop {
            let mut replay = self.body.again();
            let hop = self.redirects;
            let span = tracing::debug_span!("hop", n = hop, host = self.target.host());
            let answered = self.watched_hop(&mut replay).instrument(span).await;
            let (answer, watch) = answered.map_err(|error| at(hop, error))?;
            let Answer { head, source, announced, hop: progress, .. } = answer;
            let becomes_get = redirect::becomes_get(head.status, &self.method);
            let (next, replay) = match (self.next(&head), replay) {
                (Some(next), Some(replay)) => (next, replay),
                (Some(next), None) if becomes_get => (next, RequestBody::Empty),
                _ => {
                    let deadlines = BodyDeadlines { total: self.deadlines.total, idle: self.idle };
                    let answer = response::head(&head, &self.sent, self.stopwatch.finish(head.version));
                    let rest = Rest { hop: progress, is_wanted: head.status.is_success() };
                    let body =
                        Incoming::new(source, announced, deadlines, self.redirects, self.sent, rest, watch)
                            .logged(self.context.logs);
                    return Ok((answer, body));
                }
            };
            if let Some(watch) = watch {
                watch.ended(HopOutcome::Redirected);
            }
            source.finish().await;
            self.redirect_to(next, replay, becomes_get).map_err(|error| at(hop + 1, error))?;
        }
    }

    /// One hop, reported to whoever observes it if it fails, else handed on to be.
    async fn watched_hop(
        &mut self,
        replay: &mut Option<RequestBody>,
    ) -> Result<(Answer, Option<Watch>), Error> {
        let Some(observer) = self.context.observer else {
            let answer = self.hop(replay, None).await?;
            return match answer.refused(self.context.limits, self.redirects) {
                None => Ok((answer, None)),
                Some(error) => Err(error),
            };
        };
        let mut watch = Watch::new(observer, &self.target, self.method.as_str(), self.redirects);
        match self.hop(replay, Some(&mut watch)).await {
            Ok(answer) => {
                self.answered(&answer, &mut watch);
                match answer.refused(self.context.limits, self.redirects) {
                    None => Ok((answer, Some(watch))),
                    Some(error) => {
                        watch.failed(&error);
                        Err(error)
                    }
                }
            }
            Err(error) => {
                watch.failed(&error);
                Err(error)
            }
        }
    }

    /// Notes what an answer says of its hop. A pooled connection was judged when it was made; what judged it is found by its
    /// address.
    fn answered(&self, answer: &Answer, watch: &mut Watch) {
        let address = self.stopwatch.remote();
        let (target, door) = (&self.target, &self.context.view.door);
        let report = watch.report();
        report.status = Some(answer.head.status.as_u16());
        report.address = address;
        if let Some(address) = address.filter(|_| !answer.is_proxied && target.literal.is_none()) {
            report.rule = Some(door.decide(&target.destination(&self.method), address).rule);
        }
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
        self.stopwatch.redirected();
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

    /// One hop, up to the response head. What an HTTP/2 origin says it has not processed is sent again, over HTTP/1.1 where
    /// that is what it wants.
    async fn hop(
        &mut self,
        replay: &mut Option<RequestBody>,
        mut watch: Option<&mut Watch>,
    ) -> Result<Answer, Error> {
        let mut resends = 0;
        loop {
            let failed = match self.attempt(watch.as_deref_mut()).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            match replay.as_ref().and_then(RequestBody::again) {
                Some(body) if failed.unprocessed && resends < RESENDS => self.body = body,
                _ => return Err(failed.error),
            }
            if failed.wants_http1 {
                self.version = VersionPreference::Http1;
            }
            resends += 1;
            self.rebuild_fields()?;
        }
    }

    /// Takes body and fields.
    async fn attempt(&mut self, watch: Option<&mut Watch>) -> Result<Answer, Failed> {
        let secrets = match watch.is_some() {
            true => self.secrets_sent(),
            false => Vec::new(),
        };
        let mut fields = std::mem::take(&mut self.fields);
        if let Some(authorization) = &self.authorization {
            fields.entry(AUTHORIZATION).or_insert_with(|| authorization.clone());
        }
        let attempt = Attempt {
            view: self.context.view,
            limits: self.context.limits,
            principal: self.context.asker,
            kept: self.context.kept,
            target: &self.target,
            method: &self.method,
            redirects: self.redirects,
            version: self.version,
            ruled_out: self.ruled_out,
            expects: self.expects,
            trailers: self.trailers.as_ref(),
            trailer_names: self.trailer_names.as_ref(),
            deadlines: &self.deadlines,
            listener: self.listener.as_ref(),
            stopwatch: &mut self.stopwatch,
        };
        let body = std::mem::take(&mut self.body);
        attempt.perform(fields, body, watch.map(|watch| (watch, secrets))).await
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
