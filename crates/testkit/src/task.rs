use std::future::Future;
use tokio::task::JoinHandle;

/// A task that ends when its owner is dropped.
#[derive(Debug)]
pub(crate) struct Owned(JoinHandle<()>);

impl Owned {
    /// Runs `future` on the current runtime until it is done or the owner is dropped.
    pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}
