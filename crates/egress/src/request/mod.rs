//! A caller's request checked and made ready: everything here happens before any network.

pub(crate) mod headers;
pub(crate) mod host;
pub(crate) mod method;
pub(crate) mod outgoing;
pub(crate) mod target;
pub(crate) mod upload;
pub(crate) mod variables;
