//! Requests that are not worth keeping as long as their session.

use super::{ResumableServer, Stage};
use std::time::Duration;

impl ResumableServer {
    /// While no connection is attached: how long the request that is kept for the shortest time is kept. `None` if there is
    /// none, or each is kept as long as the session.
    pub fn least_kept(&self) -> Option<Duration> {
        let detached = self.stage == Stage::Detached;
        self.calls.values().filter(|_| detached).filter_map(|call| call.keep).min()
    }

    /// No connection has been attached for so long: forgets the requests that are not kept longer.
    pub fn let_go(&mut self, absent: Duration) {
        if self.stage != Stage::Detached {
            return;
        }
        let is_over = |keep: Option<Duration>| keep.is_some_and(|keep| keep <= absent);
        let over: Vec<u64> =
            self.calls.iter().filter(|(_, held)| is_over(held.keep)).map(|(call, _)| *call).collect();
        over.into_iter().for_each(|call| self.forget(call));
    }
}
