use afield_transport::{Peer, Principal};

/// Where an executor tells who came, who was let in and how that ended. One sink for the whole executor.
///
/// It is called on the executor's own tasks: it must neither block nor panic. Nothing it is given is a secret.
pub trait Audit: Send + Sync + 'static {
    /// Takes note of an event that has just happened.
    fn record(&self, event: &AuditEvent<'_>);
}

/// What an operator may want to know later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditEvent<'a> {
    /// A connection was not let in.
    Refused {
        /// Who it came from.
        peer: &'a Peer,
        /// A stable word, such as `credential_wrong`, `origin`, `too_many_failures`, `timeout`.
        reason: &'a str,
        /// The HTTP status that it was answered with, if it was.
        status: Option<u16>,
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
    /// Files were read again because they had changed or the operator asked.
    Reloaded {
        /// What they are: `tokens`, `certificate`, …
        what: &'a str,
        /// Why they cannot be used, in which case everything stays as it was.
        error: Option<&'a str>,
    },
}

/// Writes each event as one event of `tracing`, with the target `afield::audit` and the fields `event`, `peer`,
/// `principal`, `reason`, `status`, `what` and `error`, as far as it has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingAudit;

impl Audit for TracingAudit {
    fn record(&self, event: &AuditEvent<'_>) {
        match event {
            AuditEvent::Refused { peer, reason, status } => {
                tracing::info!(target: "afield::audit", event = "refused", %peer, reason, status);
            }
            AuditEvent::Admitted { peer, principal } => {
                tracing::info!(target: "afield::audit", event = "admitted", %peer, %principal);
            }
            AuditEvent::Ended { peer, principal, reason } => {
                tracing::info!(target: "afield::audit", event = "ended", %peer, %principal, reason);
            }
            AuditEvent::Reloaded { what, error: None } => {
                tracing::info!(target: "afield::audit", event = "reloaded", what);
            }
            AuditEvent::Reloaded { what, error: Some(error) } => {
                tracing::error!(target: "afield::audit", event = "reload_failed", what, error);
            }
        }
    }
}
