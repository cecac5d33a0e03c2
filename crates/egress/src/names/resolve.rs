use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// The answer of a [`Resolve`] that is still coming.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Resolves names.
///
/// Asked for each new connection to a name, under the limit `dns`; the future is dropped when that passes. What it
/// answers is vetted, and what was vetted is dialled. Never asked for addresses, nor for `localhost` and names below it,
/// nor for names below `invalid`.
pub trait Resolve: Send + Sync + 'static {
    /// Returns the absolute names that `host` stands for, in the order in which they are asked. The policy judges each of
    /// them before it is asked. The default: `host` itself.
    fn candidates(&self, host: &str) -> Vec<String> {
        vec![host.to_owned()]
    }

    /// Returns the addresses of `name`, one of [`candidates`](Self::candidates): a name in A-labels and lower case, possibly
    /// with a trailing dot. `principal` is on whose behalf it is asked, so that one principal's names that hang delay no
    /// other's. An empty list is an error like any other. Error texts go to the operator's log, never to the caller.
    fn resolve<'a>(&'a self, name: &'a str, principal: Option<&'a str>) -> Resolving<'a>;
}
