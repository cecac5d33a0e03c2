use afield_egress::HopReport;
use afield_exchange::Kind;
use afield_transport::{Peer, Principal};

/// Where an executor tells who came, who was let in, what was asked and how that ended. One sink for the whole executor.
///
/// It is called on the executor's own tasks: it must neither block nor panic. Nothing it is given is a secret.
pub trait Audit: Send + Sync + 'static {
    /// Takes note of an event that has just happened.
    fn record(&self, event: &AuditEvent<'_>);

    /// Whether it wants to be told of requests, each hop of each. Without one that does, requests cost nothing here.
    fn wants_requests(&self) -> bool {
        false
    }
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller<'a> {
    /// Who is connected.
    pub principal: &'a Principal,
    /// Tells sessions apart. It is made from the session's id, which cannot be told from it: whoever knows the id can
    /// resume the session.
    pub session: &'a str,
    /// The request's name in its session: what the orchestrator calls it.
    pub request: &'a str,
}

/// What an operator may want to know later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditEvent<'a> {
    /// The executor has begun to serve.
    Started {
        /// Where: `ws://ADDRESS`, `wss://ADDRESS`, `unix:PATH` or `stdio`.
        at: &'a str,
        /// How orchestrators are let in, in a word or two.
        authentication: &'a str,
    },
    /// It has stopped: it serves nobody any more.
    Stopped,
    /// A connection was not let in.
    Refused {
        /// Who it came from.
        peer: &'a Peer,
        /// A stable word, such as `credential_wrong`, `origin`, `too_many_failures`, `timeout`.
        reason: &'a str,
        /// The HTTP status that it was answered with, if it was.
        status: Option<u16>,
        /// The field of its request that it was refused for, cut and escaped: `host: name`, `origin: …`, or what was left of
        /// an upgrade that a proxy in front has not passed on.
        came: Option<&'a str>,
    },
    /// A connection was let in.
    Admitted {
        /// Who it came from.
        peer: &'a Peer,
        /// Who it is.
        principal: &'a Principal,
    },
    /// A connection that was let in has ended.
    Ended {
        /// Who it came from.
        peer: &'a Peer,
        /// Who it was.
        principal: &'a Principal,
        /// A stable word: `closed`, `silent`, `not_initialized`, `evicted`, `stopping`, `expired`, `revoked`.
        reason: &'a str,
    },
    /// A hop of a request has ended: the request itself, or a redirect that was followed or denied.
    Request {
        /// Whose.
        caller: Caller<'a>,
        /// Where it went, by which rule, and what became of it. Without path, query, header values and bodies.
        hop: &'a HopReport,
    },
    /// A request was refused before it could go anywhere: it was malformed, or there was no place for it.
    Unsent {
        /// Whose.
        caller: Caller<'a>,
        /// Why.
        kind: Kind,
    },
    /// Files were read again because they had changed or the operator asked.
    Reloaded {
        /// What they are: `tokens`, `certificate`, …
        what: &'a str,
        /// Why they cannot be used, in which case everything stays as it was.
        error: Option<&'a str>,
    },
}

/// Takes note of nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAudit;

impl Audit for NoAudit {
    fn record(&self, _event: &AuditEvent<'_>) {}
}

/// Writes each event but requests as one event of `tracing`, with the target `afield::audit` and the fields `event`, `peer`,
/// `principal`, `reason`, `status`, `at`, `authentication`, `what` and `error`, as far as it has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingAudit;

impl Audit for TracingAudit {
    fn record(&self, event: &AuditEvent<'_>) {
        match event {
            AuditEvent::Started { at, authentication } => {
                tracing::info!(target: "afield::audit", event = "started", at, authentication);
            }
            AuditEvent::Stopped => tracing::info!(target: "afield::audit", event = "stopped"),
            AuditEvent::Refused { peer, reason, status, came } => {
                tracing::info!(target: "afield::audit", event = "refused", %peer, reason, status, came);
            }
            AuditEvent::Admitted { peer, principal } => {
                tracing::info!(target: "afield::audit", event = "admitted", %peer, %principal);
            }
            AuditEvent::Ended { peer, principal, reason } => {
                tracing::info!(target: "afield::audit", event = "ended", %peer, %principal, reason);
            }
            // Not asked for; many a second would drown the rest of the log.
            AuditEvent::Request { .. } | AuditEvent::Unsent { .. } => {}
            AuditEvent::Reloaded { what, error: None } => {
                tracing::info!(target: "afield::audit", event = "reloaded", what);
            }
            AuditEvent::Reloaded { what, error: Some(error) } => {
                tracing::error!(target: "afield::audit", event = "reload_failed", what, error);
            }
        }
    }
}
