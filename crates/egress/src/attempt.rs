//! One hop, from the door to the response head: judged, on a connection that is there or made, sent, answered.

use crate::connect::{self, Destined};
use crate::deadlines::Deadlines;
use crate::door::{Admitted, Way};
use crate::failure::{self, Failed};
use crate::generation::View;
use crate::hop::Hop;
use crate::http1::{self, After, NoAnswer};
use crate::http2;
use crate::identity::Identity;
use crate::kept::Kept;
use crate::observe::Watch;
use crate::policy::Scheme;
use crate::pool::Pool;
use crate::request::host;
use crate::request::method::expects_content;
use crate::request::outgoing::Outgoing;
use crate::request::target::Target;
use crate::request::upload::{self, Upload};
use crate::response::{self, Source};
use crate::stopwatch::Stopwatch;
use afield_exchange::{
    Error, Limits, OnInformational, Phase, RequestBody, Retry, RuledOut, Trailers, VersionPreference,
};
use http::header::{AUTHORIZATION, HOST};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request};
use std::sync::{Arc, Weak};

/// What one hop is performed under.
pub(crate) struct Attempt<'a> {
    pub(crate) view: &'a View,
    pub(crate) limits: &'a Limits,
    pub(crate) principal: Option<&'a Arc<str>>,
    pub(crate) kept: Option<&'a Kept>,
    pub(crate) target: &'a Target,
    pub(crate) method: &'a Method,
    pub(crate) redirects: u32,
    pub(crate) version: VersionPreference,
    pub(crate) ruled_out: RuledOut,
    pub(crate) expects: bool,
    pub(crate) trailers: Option<&'a Trailers>,
    pub(crate) trailer_names: Option<&'a HeaderValue>,
    pub(crate) deadlines: &'a Deadlines,
    pub(crate) listener: Option<&'a OnInformational>,
    pub(crate) stopwatch: &'a mut Stopwatch,
}

/// A response head, and the body behind it.
pub(crate) struct Answer {
    pub(crate) head: Parts,
    pub(crate) source: Source,
    /// The length of the body, where the origin announced it.
    pub(crate) announced: Option<u64>,
    pub(crate) is_proxied: bool,
    pub(crate) hop: Arc<Hop>,
}

impl Answer {
    /// Why this head is no answer, if it is none.
    pub(crate) fn refused(&self, limits: &Limits, hop: u32) -> Option<Error> {
        if response::is_too_large(&self.head.headers, limits) {
            return Some(failure::response_headers_too_large().with_hop(hop));
        }
        let why = response::refused(&self.head)?;
        Some(failure::origin_protocol(why, Phase::Head).with_hop(hop))
    }
}

/// Which version of HTTP a hop takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    /// What the origin agrees to.
    Negotiated,
    Http2,
}

/// A connection for one request.
enum Lease {
    /// The flag: whether it was just made.
    Http1(http1::Connection, bool),
    Http2(http2::Connection),
}

/// Where connections of a hop come from.
struct Supply<'a> {
    identity: &'a Identity,
    pool: &'a Arc<Pool>,
    origin: &'a str,
    version: Version,
    /// Whether a connection that was used before may be used.
    may_reuse: bool,
}

impl Attempt<'_> {
    pub(crate) async fn perform(
        mut self,
        fields: HeaderMap,
        body: RequestBody,
        watch: Option<(&mut Watch, Vec<String>)>,
    ) -> Result<Answer, Failed> {
        let (target, view) = (self.target, self.view);
        let uploads = upload::is_watched(&body);
        let hop = Hop::new(self.redirects, self.principal, uploads, watch.is_some());
        let hop = Arc::new(hop.ruling_out(self.ruled_out));
        let upstream = view.upstream(target);
        if let Some((watch, secrets)) = watch {
            watch.attempt(&hop);
            watch.report().upstream = upstream.map(|slot| slot.upstream().name().to_owned());
            watch.report().secrets = secrets;
        }
        let destination = target.destination(self.method);
        view.door.vet(&destination, target.literal, &hop)?;
        host::check(&fields, target, self.method, &view.door, upstream, &hop)?;
        let way = match upstream.and_then(|slot| slot.proxy()) {
            None => Way::Direct(None),
            Some(proxy) => {
                let way = view.door.way(target, &destination, proxy, &hop);
                self.deadlines.connecting(Box::pin(way), &hop).await?
            }
        };
        host::check_way(&fields, target, upstream, matches!(way, Way::Proxied(_)))?;
        let identity = view.identity(upstream, &way)?;
        let pool = identity.pool(self.principal.map(|name| &**name));
        let (Way::Direct(mut admitted) | Way::Proxied(mut admitted)) = way;

        let authenticates = authenticates_connection(&fields);
        let own_host = fields.get(HOST).is_some_and(|host| !target.is_host(host.as_bytes()));
        let is_plain_proxied = identity.takes_whole_urls(target.scheme);
        // A connection that is there was made for somebody who ruled nothing out, and HTTP/2 shares connections.
        let own_connection = authenticates || self.ruled_out.is_any();
        let http1_only = is_plain_proxied || own_connection || (own_host && target.scheme == Scheme::Https);
        let is_known_http1 = pool.is_http1_only(target.origin());
        let version = match self.version {
            _ if http1_only || is_known_http1 => Version::Http1,
            VersionPreference::Http1 => Version::Http1,
            VersionPreference::Http2PriorKnowledge => Version::Http2,
            _ if target.scheme == Scheme::Https => Version::Negotiated,
            _ => Version::Http1,
        };
        // A connection that was not let negotiate serves no request that would have liked to.
        let forced = version == Version::Http1 && target.scheme == Scheme::Https && !is_known_http1;
        let origin: Arc<str> = match forced {
            true => format!("{} http/1.1", target.origin()).into(),
            false => target.origin().into(),
        };
        let may_reuse = !own_connection;
        let supply = Supply { identity: &identity, pool: &pool, origin: &origin, version, may_reuse };

        let has_content = !matches!(&body, RequestBody::Empty);
        let spoils = authenticates || (has_content && !expects_content(self.method));
        if self.expects && has_content {
            hop.hold_body();
        }
        let trailers = self.trailer_names;
        let outgoing = Outgoing { method: self.method, target, own_host, is_plain_proxied, trailers };
        let mut request = outgoing.request(fields, &body, self.expects && has_content)?;
        let credentials = identity.proxy.as_ref().and_then(|proxy| proxy.credentials.as_ref());
        if let Some(credentials) = credentials.filter(|_| is_plain_proxied) {
            request.headers_mut().insert(http::header::PROXY_AUTHORIZATION, credentials.basic.clone());
        }
        let mut request = request.map(|()| Upload::new(body, self.trailers.cloned(), &hop));
        loop {
            let lease = self.lease(&supply, &mut admitted, &hop).await?;
            hop.sending();
            let unsent = match lease {
                Lease::Http1(connection, is_new) => {
                    self.stopwatch.ready(connection.remote());
                    tracing::debug!(address = %connection.remote(), reused = !is_new, "sending over HTTP/1.1");
                    outgoing.for_http1(&mut request)?;
                    let after = After {
                        pool: Arc::downgrade(&pool),
                        origin: Arc::clone(&origin),
                        kept: self.kept.cloned(),
                    };
                    match self.over_http1(connection, request, after, spoils, &hop).await {
                        Ok((head, body)) => {
                            return Ok(Answer::new(head, Source::Http1(body), &identity, hop));
                        }
                        Err(NoAnswer::Failed(failed)) => return Err(failed),
                        Err(NoAnswer::Unsent(_)) if is_new => return Err(failure::unsent(&hop).into()),
                        Err(NoAnswer::Unsent(unsent)) => unsent,
                    }
                }
                Lease::Http2(connection) => {
                    self.stopwatch.ready(connection.remote());
                    tracing::debug!(address = %connection.remote(), "sending over HTTP/2");
                    outgoing.for_http2(&mut request)?;
                    match Box::pin(self.over_http2(connection, request, &pool, &hop)).await {
                        Ok((head, body)) => {
                            return Ok(Answer::new(head, Source::Http2(body), &identity, hop));
                        }
                        Err(NoAnswer::Failed(failed)) => {
                            if failed.wants_http1 {
                                pool.set_http1_only(target.origin());
                            }
                            return Err(failed);
                        }
                        Err(NoAnswer::Unsent(unsent)) => unsent,
                    }
                }
            };
            hop.unsent();
            self.stopwatch.again();
            request = *unsent;
        }
    }

    async fn over_http1(
        &self,
        connection: http1::Connection,
        request: Request<Upload>,
        mut after: After,
        spoils: bool,
        hop: &Arc<Hop>,
    ) -> Result<(Parts, http1::Body), NoAnswer> {
        let sent =
            connection.send(request, hop, self.deadlines, self.limits, self.listener, after.kept.as_ref());
        let (head, incoming, connection) = sent.await?;
        // What an origin leaves unread would be its next request. Where a body has two lengths the chunks are right (RFC
        // 9112, section 6.3), but what follows them may have been made by somebody who went by the other. And where the
        // connection is somebody's, it is nobody else's.
        if spoils
            || response::is_ambiguous(&head)
            || response::authenticates_connection(&head.headers)
            || hop.is_body_held()
        {
            after.pool = Weak::new();
        }
        let body = http1::Body::new(connection, incoming, after, Arc::clone(hop));
        Ok((head, body))
    }

    async fn over_http2(
        &self,
        connection: http2::Connection,
        request: Request<Upload>,
        pool: &Pool,
        hop: &Arc<Hop>,
    ) -> Result<(Parts, http2::Body), NoAnswer> {
        let sent = connection.send(request, hop, self.deadlines, self.limits, self.listener);
        let (head, mut body) = sent.await?;
        if self.kept.is_some_and(|kept| body.count(kept).is_err()) {
            let error = Error::share_used_up(Retry::Unknown).with_phase(Phase::Head).with_hop(self.redirects);
            return Err(NoAnswer::Failed(error.into()));
        }
        if response::authenticates_connection(&head.headers) {
            pool.set_http1_only(self.target.origin());
        }
        Ok((head, body))
    }

    /// A connection for the request: one that is there, or a new one.
    async fn lease(
        &mut self,
        supply: &Supply<'_>,
        admitted: &mut Option<Admitted>,
        hop: &Hop,
    ) -> Result<Lease, Error> {
        let Supply { pool, origin, version, may_reuse, .. } = *supply;
        if version != Version::Http1
            && let Some(connection) = pool.share(origin)
        {
            return self.shared(connection, hop);
        }
        if version != Version::Http2
            && may_reuse
            && let Some(connection) = pool.take(origin)
        {
            let destination = self.target.destination(self.method);
            self.view.door.vet_pooled(&destination, connection.asked(), hop)?;
            return Ok(Lease::Http1(connection, false));
        }
        let deadlines = *self.deadlines;
        // Boxed, since most requests find a connection: what making one takes would be room in the future of every request.
        deadlines.connecting(Box::pin(self.new_lease(supply, admitted, hop)), hop).await
    }

    /// A connection that was made for another request of the same principal, by whatever name that one was led there.
    fn shared(&self, connection: http2::Connection, hop: &Hop) -> Result<Lease, Error> {
        let destination = self.target.destination(self.method);
        self.view.door.vet_pooled(&destination, connection.asked(), hop)?;
        Ok(Lease::Http2(connection))
    }

    /// Where the origin is known to speak HTTP/2, one connection is made at a time: others wait for it, and share it.
    async fn new_lease(
        &mut self,
        supply: &Supply<'_>,
        admitted: &mut Option<Admitted>,
        hop: &Hop,
    ) -> Result<Lease, Error> {
        let Supply { pool, origin, version, .. } = *supply;
        let shares = version == Version::Http2 || version == Version::Negotiated && pool.is_shared(origin);
        if !shares {
            return self.make(supply, admitted, hop).await;
        }
        if let Some(connection) = pool.crowd(origin) {
            return self.shared(connection, hop);
        }
        let making = pool.making(origin);
        let _making = making.lock().await;
        // Others have made some meanwhile: there may be room on them, or no more of them.
        if let Some(connection) = pool.share(origin).or_else(|| pool.crowd(origin)) {
            return self.shared(connection, hop);
        }
        self.make(supply, admitted, hop).await
    }

    async fn make(
        &mut self,
        supply: &Supply<'_>,
        admitted: &mut Option<Admitted>,
        hop: &Hop,
    ) -> Result<Lease, Error> {
        let Supply { identity, pool, origin, version, .. } = *supply;
        let destined = Destined {
            door: &self.view.door,
            identity,
            target: self.target,
            destination: self.target.destination(self.method),
            admitted: admitted.take(),
            tls: match version {
                Version::Http1 => &pool.tls_http1,
                Version::Negotiated => &pool.tls,
                Version::Http2 => &pool.tls_http2,
            },
        };
        let connected = connect::connect(destined, hop, self.stopwatch).await?;
        let is_http2 = match (version, self.target.scheme) {
            (Version::Http2, Scheme::Http) => true,
            (Version::Http2, Scheme::Https) if !connected.is_http2 => {
                return Err(failure::no_http2(hop));
            }
            _ => connected.is_http2,
        };
        if !is_http2 {
            let opened = http1::Connection::open(connected, self.limits).await;
            return match opened {
                Ok(connection) => Ok(Lease::Http1(connection, true)),
                Err(error) => Err(failure::head(&error, hop).error),
            };
        }
        if let Some(other) = pool.share(origin) {
            return self.shared(other, hop);
        }
        match http2::Connection::open(connected, self.limits).await {
            Ok(connection) => self.shared(pool.offer(origin, connection, self.kept), hop),
            Err(error) => Err(failure::head(&error, hop).error),
        }
    }
}

impl Answer {
    fn new(head: Parts, source: Source, identity: &Identity, hop: Arc<Hop>) -> Self {
        tracing::debug!(status = head.status.as_u16(), "the response head is here");
        let announced = source.announced(&head);
        Self { head, source, announced, is_proxied: identity.proxy.is_some(), hop }
    }
}

/// Whether the credentials are for the connection, not for the request.
fn authenticates_connection(fields: &HeaderMap) -> bool {
    let credentials = fields.get_all(AUTHORIZATION);
    credentials.iter().any(|value| response::names_connection_scheme(value.as_bytes()))
}
