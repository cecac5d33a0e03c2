use super::{Audit, AuditEvent, Caller};
use afield_egress::{HopReport, Observer};
use afield_exchange::{Error, Kind};
use afield_transport::Principal;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Takes note of one request.
pub(crate) struct Noted {
    audit: Arc<dyn Audit>,
    principal: Principal,
    session: Arc<str>,
    request: String,
    /// Whether there is a line about it.
    told: AtomicBool,
}

impl Noted {
    /// For a request of this name; `None` where nobody wants to know.
    pub fn begin(
        audit: &Arc<dyn Audit>,
        principal: &Principal,
        session: &Arc<str>,
        request: impl FnOnce() -> String,
    ) -> Option<Arc<Self>> {
        audit.wants_requests().then(|| {
            Arc::new(Self {
                audit: audit.clone(),
                principal: principal.clone(),
                session: session.clone(),
                request: request(),
                told: AtomicBool::new(false),
            })
        })
    }

    /// The request has failed. If it never went anywhere, this is what there is to note of it.
    pub fn failed(&self, error: &Error) {
        self.unsent(error.kind());
    }

    fn unsent(&self, kind: Kind) {
        if !self.told.swap(true, Ordering::Relaxed) {
            self.audit.record(&AuditEvent::Unsent { caller: self.caller(), kind });
        }
    }

    fn caller(&self) -> Caller<'_> {
        Caller { principal: &self.principal, session: &self.session, request: &self.request }
    }
}

impl Observer for Noted {
    fn finished(&self, hop: HopReport) {
        self.told.store(true, Ordering::Relaxed);
        self.audit.record(&AuditEvent::Request { caller: self.caller(), hop: &hop });
    }
}

impl Drop for Noted {
    /// Of a request that was given up before it went anywhere nothing else tells.
    fn drop(&mut self) {
        self.unsent(Kind::Cancelled);
    }
}
