use crate::{shares::Place, turns::Turns};
use afield_protocol::server::CallId;
use futures_util::future::{AbortHandle, Abortable};
use std::{collections::BTreeMap, future::Future, sync::Arc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The tasks that perform calls.
#[derive(Default)]
pub(crate) struct Calls {
    tasks: JoinSet<()>,
    held: BTreeMap<CallId, Held>,
    /// Whether the owner is gone: nothing is begun any more.
    over: bool,
    /// Ends what is no call when the owner is gone.
    ended: CancellationToken,
}

struct Held {
    task: AbortHandle,
    /// Its place among the executor's active requests. Its task has it too, which may be gone only after it was ended.
    _place: Arc<Place>,
}

impl Calls {
    /// Begins to perform a call, in its principal's turns. `work` holds the place for as long as there is anything at the origin.
    pub fn begin(
        &mut self,
        call: CallId,
        place: Arc<Place>,
        turns: Arc<Turns>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        self.reap();
        if !self.over {
            // Not the runtime's own way to end a task, which would drop hundreds of them out of turn.
            let (task, registration) = AbortHandle::new_pair();
            let work = Abortable::new(work, registration);
            self.tasks.spawn(async move {
                let _ = turns.run(work).await;
            });
            self.held.insert(call, Held { task, _place: place });
        }
    }

    /// Has something done, in its principal's turns, that ends with the owner and is no call.
    pub fn begin_aside(&mut self, turns: Arc<Turns>, work: impl Future<Output = ()> + Send + 'static) {
        self.reap();
        if !self.over {
            let work = self.ended.clone().run_until_cancelled_owned(work);
            self.tasks.spawn(async move {
                let _ = turns.run(work).await;
            });
        }
    }

    /// Ends the call if it is still performed.
    pub fn end(&mut self, call: CallId) {
        if let Some(held) = self.held.remove(&call) {
            held.task.abort();
        }
    }

    /// Forgets a call: it is about to end by itself.
    pub fn finish(&mut self, call: CallId) {
        self.held.remove(&call);
    }

    /// Ends all, for good.
    pub fn end_all(&mut self) {
        self.over = true;
        self.ended.cancel();
        for held in std::mem::take(&mut self.held).into_values() {
            held.task.abort();
        }
    }

    /// Lets go of tasks that have ended.
    pub fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.end_all();
        // They end in their turns, with all that they hold.
        self.tasks.detach_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shares::Shares;
    use afield_exchange::Limits;
    use afield_transport::Principal;
    use tokio::{sync::Semaphore, sync::oneshot, task::yield_now};

    /// Proves that what an ended call leaves behind is dropped in a turn of its principal, after other principals had theirs,
    /// and that its place is free only then.
    #[tokio::test]
    async fn ended_call_is_dropped_in_its_turn() {
        let shares = Shares::new(&Limits::default(), 2);
        let [ann, bob] = ["ann", "bob"].map(|name| shares.of(&Principal::token(name)));
        let requests = Arc::new(Semaphore::new(1));
        let place = ann.admit(requests.clone().try_acquire_owned().unwrap()).unwrap();
        let (dropped, mut is_dropped) = oneshot::channel::<()>();
        let mut calls = Calls::default();
        let work = {
            let place = place.clone();
            async move {
                let _held = (dropped, place);
                std::future::pending::<()>().await;
            }
        };
        calls.begin(CallId::new(1), place, ann.turns.clone(), work);
        yield_now().await;
        bob.turns.run(async {}).await;
        let taken = ann.turns.take();
        drop(calls);
        for _ in 0..10 {
            bob.turns.run(yield_now()).await;
        }
        assert!(is_dropped.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        assert_eq!(requests.available_permits(), 0);
        drop(taken);
        assert!((&mut is_dropped).await.is_err());
        assert_eq!(requests.available_permits(), 1);
    }
}
