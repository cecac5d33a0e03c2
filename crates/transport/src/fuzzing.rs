//! What the fuzz target of the PROXY protocol needs, and nobody else.

pub use crate::listen::proxy_header;
