//! Waiting for what must happen, without sleeping and without hanging a test run for ever.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;
use tokio::sync::watch;

/// How long a test waits for something that must happen before it fails.
///
/// Long enough that a busy machine never reaches it: a promise kept ends a wait at once, so that this time passes
/// only where a promise is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Awaits `future`, which stands for "`what` happens".
///
/// # Panics
///
/// When [`PATIENCE`] has passed, naming `what`.
#[track_caller]
pub fn within<F: Future>(what: impl fmt::Display, future: F) -> impl Future<Output = F::Output> {
    within_at(what, Location::caller(), future)
}

/// [`within`], on behalf of `caller`.
pub(crate) async fn within_at<F: Future>(
    what: impl fmt::Display,
    caller: &'static Location<'static>,
    future: F,
) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} in vain until {what} ({caller})"),
    }
}

/// A value that can be changed by its owner and awaited by many.
pub(crate) struct Watched<T>(watch::Sender<T>);

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(watch::Sender::new(value))
    }

    /// Changes the value and wakes who waits.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut output = None;
        self.0.send_modify(|value| output = Some(change(value)));
        output.expect("send_modify calls its argument exactly once")
    }

    /// Looks at the value as it is now.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.0.borrow())
    }

    /// Waits, however long, until `look` finds what it looks for.
    pub(crate) async fn until<R>(&self, mut look: impl FnMut(&T) -> Option<R>) -> R {
        let mut receiver = self.0.subscribe();
        loop {
            if let Some(found) = look(&receiver.borrow_and_update()) {
                return found;
            }
            receiver.changed().await.expect("the sender is borrowed for as long as this waits");
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.borrow().fmt(f)
    }
}
