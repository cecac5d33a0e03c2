//! A private certificate authority, certificates good and bad, and TLS servers that use them.
//!
//! ```no_run
//! # async fn test() -> std::io::Result<()> {
//! use afield_testkit::Origin;
//! use afield_testkit::tls::Ca;
//!
//! let ca = Ca::new();
//! let identity = ca.issue(&["127.0.0.1", "::1", "good.test"]);
//! let origin = Origin::builder().tls(identity.server().alpn(["h2", "http/1.1"]).build()).start().await?;
//! // A client that trusts ca.pem_file() reaches origin.url("/echo"); one that does not, fails.
//! # Ok(()) }
//! ```

mod authority;
mod identity;
mod legacy;
mod server;

pub use authority::Ca;
pub use identity::Identity;
pub use legacy::{ALERT_PROTOCOL_VERSION, server_hello_tls10};
pub use server::{Server, Version};
