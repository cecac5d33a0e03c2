use super::handler::Handler;
use rmcp::{Peer, RoleClient, service::RunningService};
use std::sync::Arc;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// A session with a server. It ends when the last call that uses it and the server's task let go of it.
pub(super) struct Live {
    /// Counted from 1 for each server.
    pub generation: u64,
    pub peer: Peer<RoleClient>,
    pub tools_changed: Arc<tokio::sync::Notify>,
    /// The session has ended by itself.
    pub ended: CancellationToken,
    _wanted: DropGuard,
}

impl Live {
    /// Has a task of its own see to the session's end.
    pub fn new(
        service: RunningService<RoleClient, Handler>,
        generation: u64,
        tasks: &TaskTracker,
        killing: &CancellationToken,
    ) -> Self {
        let (unwanted, ended) = (CancellationToken::new(), CancellationToken::new());
        let live = Self {
            generation,
            peer: service.peer().clone(),
            tools_changed: service.service().tools_changed.clone(),
            ended: ended.clone(),
            _wanted: unwanted.clone().drop_guard(),
        };
        let killing = killing.clone();
        tasks.spawn(async move {
            let _ended = ended.drop_guard();
            let cancel = service.cancellation_token();
            let mut waiting = std::pin::pin!(service.waiting());
            tokio::select! {
                _ = &mut waiting => return,
                () = unwanted.cancelled() => cancel.cancel(),
            }
            // rmcp says goodbye to the server: it deletes the session.
            killing.run_until_cancelled(waiting).await;
        });
        live
    }
}
