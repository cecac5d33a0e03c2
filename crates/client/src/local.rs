use crate::{Exchange, HttpClient};
use afield_egress::{ConfigError, Egress, EgressConfig};
use afield_exchange::{Buffered, Request, Response, logged_host, logged_method};
use std::fmt;
use tracing::{Instrument, Span};

/// Performs exchanges from this process, through the same door to the network as an executor's: the same checks, the
/// same policy, the same errors.
///
/// Cheap to clone; all clones share one pool of connections. Needs a tokio runtime with time and I/O when it is used.
#[derive(Clone)]
pub struct Local {
    egress: Egress,
}

impl Local {
    /// A client with this configuration. Makes no connection.
    ///
    /// # Errors
    ///
    /// A configuration that makes no sense, or certificate authorities that cannot be read.
    pub fn new(config: EgressConfig) -> Result<Self, ConfigError> {
        Ok(Self { egress: Egress::new(config)? })
    }
}

/// A client that shares an egress, its policy and its connections.
impl From<Egress> for Local {
    fn from(egress: Egress) -> Self {
        Self { egress }
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Local")
    }
}

/// What is logged about this request stands in this span.
fn span(request: &Request) -> Span {
    let (method, host) = (&request.method, &request.url);
    tracing::debug_span!("request", method = %logged_method(method), host = %logged_host(host))
}

impl HttpClient for Local {
    fn stream(&self, request: Request) -> Exchange<'_, Response> {
        let span = span(&request);
        Box::pin(self.egress.send(request).instrument(span))
    }

    fn call(&self, request: Request) -> Exchange<'_, Buffered> {
        let span = span(&request);
        Box::pin(self.egress.call(request).instrument(span))
    }
}
