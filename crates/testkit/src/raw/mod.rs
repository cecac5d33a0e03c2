//! An origin that sends exactly the bytes it is told to, when it is told to, and records every byte it gets.
//!
//! ```no_run
//! # async fn test() {
//! use afield_testkit::raw::{RawOrigin, Script};
//!
//! // The first connection dies in the middle of a body, all others answer properly.
//! let origin = RawOrigin::builder()
//!     .script(Script::new().expect_head().send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").reset())
//!     .otherwise(Script::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
//!     .start()
//!     .await
//!     .unwrap();
//! // … a client calls origin.url("/") …
//! let first = origin.connection(0).await;
//! assert!(first.received().starts_with(b"GET / HTTP/1.1\r\n"));
//! # }
//! ```

pub mod frames;
mod play;
mod record;
mod script;
mod server;

pub use crate::origin::Ending;
pub use record::Connection;
pub use script::Script;
pub use server::{Builder, RawOrigin};
