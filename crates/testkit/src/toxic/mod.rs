//! A TCP proxy that does to a connection what networks do.
//!
//! ```no_run
//! # async fn test(executor: std::net::SocketAddr) {
//! use afield_testkit::toxic::{Cut, Toxic, Way};
//!
//! let toxic = Toxic::start(executor).await;
//! // … a client connects to toxic.address() …
//! toxic.cut_after(Way::Down, 1000, Cut::Reset); // the client sees exactly 1,000 bytes, then a reset
//! # }
//! ```

mod link;
mod proxy;
mod settings;

pub use proxy::Toxic;
pub use settings::{Cut, Way};
