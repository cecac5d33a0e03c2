use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The answer of a [`Resolve`] that is still coming.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// How names become addresses.
///
/// Asked once for each new connection to a name, under the limit `dns`; the future is dropped when that passes. What it
/// answers is vetted, and what was vetted is dialled, in the order given. Never asked for addresses, nor for
/// `localhost` and names below it, nor for names below `invalid`.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `host`, a name in A-labels and lower case, possibly with a trailing dot. An empty list is an
    /// error like any other. Error texts go to the operator's log, never to the caller.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a>;
}

/// The system's own resolver (`getaddrinfo`).
#[derive(Clone, Debug)]
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

/// A lookup blocks a thread and cannot be cancelled, so their number is bounded: more than this many names that hang
/// make later ones wait, under their own deadlines, instead of taking up every thread.
const LOOKUPS: usize = 64;

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
            let host = host.to_owned();
            let lookup = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let found = (host.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}
