//! What one HTTP exchange is: a request, a response head, body bytes, an error, and the limits on all of them.
//!
//! Every other crate speaks in these types. [`egress`] performs a [`Request`] over the network, the wire protocol
//! carries it to an executor, and the client offers both through one capability, so a caller cannot tell a local
//! exchange from a remote one.
//!
//! Two rules hold everywhere:
//!
//! - **Headers are bytes.** A legal header value need not be UTF-8 (RFC 9110, section 5.5); it is carried without loss.
//! - **Nothing prints a secret.** `Debug` of a request or a header shows names and sizes, never values, and a URL
//!   only without its userinfo and query.
//!
//! [`egress`]: https://docs.rs/afield-egress

mod body;
mod body_failure;
mod budget;
#[cfg(feature = "decode")]
pub mod decode;
mod error;
mod gathered;
mod header;
mod informational;
mod limits;
mod log_text;
mod recorded;
mod request;
mod request_id;
mod response;
mod ruled_out;
mod timings;
mod trailers;
mod url_text;
mod version;

pub use body::{BodyError, BodyStream, RequestBody};
pub use budget::{Budget, Permit, Share, UsedUp};
pub use error::{Blame, Error, Kind, Phase, Retry, detail};
pub use gathered::Gathered;
pub use header::Header;
pub use informational::OnInformational;
pub use limits::Limits;
pub use log_text::{logged_host, logged_method};
pub use recorded::Recorded;
pub use request::{RedirectPolicy, Request};
pub use request_id::{OnRequestId, RequestId};
pub use response::{BodyFrame, Buffered, Head, Response, ResponseBody};
pub use ruled_out::RuledOut;
pub use timings::{HttpVersion, Timings};
pub use trailers::Trailers;
pub use url_text::redacted_url;
pub use version::VersionPreference;
