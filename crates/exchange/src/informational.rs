use crate::Head;
use std::{fmt, sync::Arc};

/// Receives the informational (1xx) responses of an exchange, in order, before its final head (RFC 9110, section 15.2).
///
/// Called from the task that performs the exchange: it must not block. `101` is never passed to it.
#[derive(Clone)]
pub struct OnInformational(Arc<dyn Fn(Head) + Send + Sync>);

impl OnInformational {
    /// Calls `receive` for each informational response.
    pub fn new(receive: impl Fn(Head) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receive))
    }

    /// Passes one informational response on.
    pub fn call(&self, head: Head) {
        (self.0)(head);
    }
}

impl fmt::Debug for OnInformational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnInformational")
    }
}
