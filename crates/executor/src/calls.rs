use crate::shares::Place;
use afield_protocol::server::CallId;
use std::{collections::BTreeMap, future::Future, sync::Arc};
use tokio::task::{AbortHandle, JoinSet};

/// The tasks that perform calls.
#[derive(Default)]
pub(crate) struct Calls {
    tasks: JoinSet<()>,
    held: BTreeMap<CallId, Held>,
    /// Whether the owner is gone: nothing is begun any more.
    over: bool,
}

struct Held {
    task: AbortHandle,
    /// Its place among the executor's active requests. Its task has it too, which may be gone only after it was ended.
    _place: Arc<Place>,
}

impl Calls {
    /// Begins to perform a call. `work` holds the place for as long as there is anything at the origin.
    pub fn begin(
        &mut self,
        call: CallId,
        place: Arc<Place>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        self.reap();
        if !self.over {
            let task = self.tasks.spawn(work);
            self.held.insert(call, Held { task, _place: place });
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
        self.tasks.abort_all();
        self.held.clear();
    }

    /// Lets go of tasks that have ended.
    pub fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }
}
