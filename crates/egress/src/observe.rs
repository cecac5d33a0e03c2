//! What an executor may know of each hop, for its audit.

use crate::hop::Hop;
use crate::policy::Scheme;
use crate::request::target::Target;
use afield_exchange::{Error, Kind};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Is told of every hop of a request once it has ended.
///
/// Called from wherever the hop ends: also from the drop of a request's future or of its body. It must not block.
pub trait Observer: Send + Sync + 'static {
    /// A hop has ended. Called exactly once for each: for the request itself (unless it was refused as malformed) and for
    /// each redirect that was followed or denied, in this order.
    fn finished(&self, hop: HopReport);
}

/// One hop: where it went, by which rule, and what became of it. Holds no path, query, header value or body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HopReport {
    /// Redirects before it.
    pub index: u32,
    /// The method.
    pub method: String,
    /// The URL's scheme.
    pub scheme: Scheme,
    /// The URL's host: an A-label name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The address at the other end of the connection: the origin's, or the proxy's. None if there was no connection.
    pub address: Option<IpAddr>,
    /// The rule of the policy that allowed or denied it; see [`Decision::rule`](crate::Decision::rule). None if it ended
    /// before an address was judged.
    pub rule: Option<String>,
    /// The upstream rule it went by.
    pub upstream: Option<String>,
    /// The secrets sent with it, by name. None, where nothing was sent.
    pub secrets: Vec<String>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Bytes of the request body that were handed to the connection.
    pub sent: u64,
    /// Bytes of the response body that were taken.
    pub received: u64,
    /// From its beginning to its end, the reading of the body included.
    pub duration: Duration,
    /// How it ended.
    pub outcome: HopOutcome,
}

/// How a hop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopOutcome {
    /// It was answered, and the body read to its end.
    Answered,
    /// It was answered with a redirect, which was followed.
    Redirected,
    /// It failed, or was denied.
    Failed(Kind),
    /// The caller dropped the request or the body.
    Cancelled,
}

/// A hop under observation. Reports when it is dropped: as cancelled, unless told otherwise.
pub(crate) struct Watch {
    observer: Arc<dyn Observer>,
    report: Option<HopReport>,
    began: Instant,
    hop: Option<Arc<Hop>>,
    /// Whether an attempt before that one may have sent something.
    has_sent: bool,
}

impl Watch {
    pub(crate) fn new(observer: &Arc<dyn Observer>, target: &Target, method: &str, index: u32) -> Self {
        let report = HopReport {
            index,
            method: method.to_owned(),
            scheme: target.scheme,
            host: target.host().to_owned(),
            port: target.port,
            address: None,
            rule: None,
            upstream: None,
            secrets: Vec::new(),
            status: None,
            sent: 0,
            received: 0,
            duration: Duration::ZERO,
            outcome: HopOutcome::Cancelled,
        };
        Self {
            observer: Arc::clone(observer),
            report: Some(report),
            began: Instant::now(),
            hop: None,
            has_sent: false,
        }
    }

    pub(crate) fn report(&mut self) -> &mut HopReport {
        self.report.as_mut().expect("it is taken when the watch is dropped")
    }

    /// The attempt that is made now.
    pub(crate) fn attempt(&mut self, hop: &Arc<Hop>) {
        let before = self.hop.replace(Arc::clone(hop));
        self.has_sent |= before.is_some_and(|before| before.may_have_sent());
    }

    pub(crate) fn received(&mut self, bytes: usize) {
        self.report().received += bytes as u64;
    }

    pub(crate) fn ended(mut self, outcome: HopOutcome) {
        self.report().outcome = outcome;
    }

    pub(crate) fn failed(self, error: &Error) {
        self.ended(HopOutcome::Failed(error.kind()));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(mut report) = self.report.take() else { return };
        if let Some(hop) = &self.hop {
            report.sent = hop.uploaded();
            report.rule = report.rule.or_else(|| hop.judged_by());
        }
        // What was refused, or reached nobody, has taken no secret anywhere.
        if !self.has_sent && !self.hop.as_ref().is_some_and(|hop| hop.may_have_sent()) {
            report.secrets.clear();
        }
        report.duration = self.began.elapsed();
        self.observer.finished(report);
    }
}
