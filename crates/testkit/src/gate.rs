use crate::wait::Watched;
use std::sync::Arc;

/// A gate that a script waits at until the test lets it go on. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Watched<Passage>>);

#[derive(Debug, Default)]
struct Passage {
    open: bool,
    permits: u64,
    waiting: u64,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(Watched::new(Passage::default())))
    }

    /// Lets all through, now and later.
    pub fn open(&self) {
        self.0.update(|passage| passage.open = true);
    }

    /// Lets `count` more waits through.
    pub fn pass(&self, count: u64) {
        self.0.update(|passage| passage.permits += count);
    }

    /// Waits until it is let through. Cancel safe: a permit is used up only by a wait that returns.
    pub async fn wait(&self) {
        loop {
            let through = self.0.update(|passage| {
                let through = passage.open || passage.permits > 0;
                if through {
                    passage.permits = passage.permits.saturating_sub(1);
                }
                through
            });
            if through {
                return;
            }
            let _waiting = Waiting::new(self);
            self.0.until(|passage| (passage.open || passage.permits > 0).then_some(())).await;
        }
    }

    /// Waits until somebody stands at the closed gate: the script has come this far.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn reached(&self) -> impl Future<Output = ()> + '_ {
        crate::within("the gate is reached", self.0.until(|passage| (passage.waiting > 0).then_some(())))
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

struct Waiting<'a>(&'a Gate);

impl<'a> Waiting<'a> {
    fn new(gate: &'a Gate) -> Self {
        gate.0.update(|passage| passage.waiting += 1);
        Self(gate)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.0.update(|passage| passage.waiting -= 1);
    }
}
