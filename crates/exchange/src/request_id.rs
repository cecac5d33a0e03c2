use std::{fmt, sync::Arc};

/// The name by which both ends of a session know a request. An executor's log and audit name it so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestId {
    /// The session's tag: the beginning of the SHA-256 digest of its id, in hexadecimal. Resumes nothing.
    pub session: Arc<str>,
    /// The request, within its session.
    pub request: String,
}

impl RequestId {
    /// The name of this request of the session with this tag.
    pub fn new(session: Arc<str>, request: impl Into<String>) -> Self {
        Self { session, request: request.into() }
    }
}

/// Receives the [`RequestId`] of a request that is handed to an executor.
///
/// Called from the task that performs the exchange, before the request is sent: it must not block. Called again if the
/// request needs another session. A request that leaves from this process has no such name, and nothing is called.
#[derive(Clone)]
pub struct OnRequestId(Arc<dyn Fn(RequestId) + Send + Sync>);

impl OnRequestId {
    /// Calls `receive` with the name.
    pub fn new(receive: impl Fn(RequestId) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receive))
    }

    /// Passes the name on.
    pub fn call(&self, id: RequestId) {
        (self.0)(id);
    }
}

impl fmt::Debug for OnRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRequestId")
    }
}
