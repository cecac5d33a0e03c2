use afield_protocol::server::CallId;
use std::{collections::HashMap, future::Future};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::{AbortHandle, JoinSet},
};

/// The tasks that perform calls.
#[derive(Default)]
pub(crate) struct Calls {
    tasks: JoinSet<()>,
    held: HashMap<CallId, Held>,
    /// Whether the owner is gone: nothing is begun any more.
    over: bool,
}

struct Held {
    task: AbortHandle,
    /// Its place among the executor's active requests.
    _permit: OwnedSemaphorePermit,
}

impl Calls {
    /// Begins to perform a call.
    pub fn begin(
        &mut self,
        call: CallId,
        permit: OwnedSemaphorePermit,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        self.reap();
        if !self.over {
            let task = self.tasks.spawn(work);
            self.held.insert(call, Held { task, _permit: permit });
        }
    }

    /// Gives a call's place back, and ends the call if it is still performed.
    pub fn end(&mut self, call: CallId) {
        if let Some(held) = self.held.remove(&call) {
            held.task.abort();
        }
    }

    /// Gives a call's place back: it is about to end by itself.
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
