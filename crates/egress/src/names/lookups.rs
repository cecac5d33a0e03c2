use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The threads that lookups may block, shared out among principals.
///
/// A lookup by the system cannot be cancelled: it holds its thread after its caller has given up. So each principal may
/// hold no more than a fraction of those that are free: whatever the others do, some are left for the next.
#[derive(Clone, Debug)]
pub(super) struct Lookups(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    held: HashMap<Option<Box<str>>, usize>,
    waiting: Vec<Waker>,
}

/// One principal may hold this fraction of the free threads, and always one while there is one.
const FRACTION: usize = 4;

impl Lookups {
    pub(super) fn new(threads: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: threads, held: HashMap::new(), waiting: Vec::new() })))
    }

    /// Waits for a thread. Cancel safe.
    pub(super) async fn acquire(&self, principal: Option<&str>) -> Permit {
        poll_fn(|cx| {
            let mut state = self.lock();
            match state.try_acquire(principal) {
                true => Poll::Ready(Permit { lookups: self.clone(), principal: principal.map(Box::from) }),
                false => {
                    if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                        state.waiting.push(cx.waker().clone());
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn try_acquire(&mut self, principal: Option<&str>) -> bool {
        let key = principal.map(Box::<str>::from);
        let held = self.held.get(&key).copied().unwrap_or(0);
        if self.free == 0 || held >= (self.free / FRACTION).max(1) {
            return false;
        }
        self.free -= 1;
        self.held.insert(key, held + 1);
        true
    }

    fn release(&mut self, principal: &Option<Box<str>>) {
        self.free += 1;
        if let Some(held) = self.held.get_mut(principal) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(principal);
            }
        }
    }
}

/// A thread for one lookup, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    lookups: Lookups,
    principal: Option<Box<str>>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.lookups.lock();
        state.release(&self.principal);
        // All of them: whom this makes room for depends on what each holds.
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::poll_immediate;

    /// Proves that principals who take all they can get leave threads for the next, and that what is given back is
    /// taken by whoever waits (case 132).
    #[tokio::test]
    async fn lookups_hanging_for_some_principals_leave_threads_for_others() {
        let lookups = Lookups::new(64);
        let mut held = Vec::new();
        for name in ["a", "b", "c", "d", "e"] {
            let before = held.len();
            while let Some(permit) = poll_immediate(Box::pin(lookups.acquire(Some(name)))).await {
                held.push(permit);
            }
            assert!(held.len() > before, "{name} had none");
        }
        assert!(poll_immediate(Box::pin(lookups.acquire(None))).await.is_some());
        let mut waiting = Box::pin(lookups.acquire(Some("a")));
        assert!(poll_immediate(&mut waiting).await.is_none());
        held.retain(|permit| permit.principal.as_deref() != Some("a"));
        assert!(poll_immediate(&mut waiting).await.is_some());
        drop(held);
        drop(waiting);
        let state = lookups.lock();
        assert_eq!((state.free, state.held.len()), (64, 0));
    }
}
