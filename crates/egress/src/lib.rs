//! One HTTP request, performed safely.
//!
//! [`Egress`] takes a request as a caller gave it and performs it: it checks every part, asks the operator's [`Policy`],
//! resolves names, vets every address, connects, sends, follows redirects through the same door, and hands back the
//! answer as bytes. The protocol is spoken by hyper's and h2's connections; making, keeping and closing them is done here.
//!
//! One request is read from top to bottom in `egress`, `exchange` (redirects), `attempt` (one hop), `connect`, and `http1` or
//! `http2`.
//!
//! Promises:
//!
//! - **One door.** Every hop passes the policy, for addresses as for names, and the address that was vetted is the one
//!   that is dialled.
//! - **Framing is ours.** Nothing a caller writes in a header can make the request end elsewhere than its body does.
//! - **Nothing is sent twice**, unless HTTP/2 says that it was not processed.
//! - **A body that was cut is an error**, never a shorter body.
//! - **Dropping cancels**, through to the origin's socket.
//!
//! Nothing is added to the caller's fields but `Host` and the framing of the body.

mod address;
mod attempt;
mod config;
mod connect;
mod deadlines;
mod door;
mod egress;
mod exchange;
mod explain;
mod failure;
#[doc(hidden)]
pub mod fuzz;
mod generation;
mod hop;
mod http1;
mod http2;
mod identity;
mod informational;
mod kept;
mod names;
mod observe;
mod own_listeners;
mod policy;
mod pool;
mod redirect;
mod refusal;
mod request;
mod response;
mod secrets;
mod stopwatch;
mod tls;
mod upstream;
mod watched;

pub use address::{AddressClass, canonical, classify};
pub use config::{ConfigError, EgressConfig};
#[doc(hidden)]
pub use connect::DialGate;
pub use egress::Egress;
pub use explain::{Explanation, Verdict};
pub use kept::Kept;
pub use names::{Resolve, Resolving, SystemResolver};
pub use observe::{HopOutcome, HopReport, Observer};
pub use own_listeners::OwnListeners;
pub use policy::{
    Action, Decision, Destination, HostPattern, Place, Policy, Preset, Rule, RuleError, Scheme,
};
pub use redirect::{Following, Next, next as next_hop, repeated};
pub use request::variables::{HeaderVariables, NoVariables, VariableError};
pub use secrets::{Attachment, Secret, SecretError, SecretSource, Secrets};
pub use tls::{CaPolicy, tls_client_config};
pub use upstream::{
    ClientCertificate, Proxy, ProxyScheme, TlsVersion, Upstream, UpstreamCa, UpstreamError, Upstreams,
};
