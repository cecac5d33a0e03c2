use super::{CallError, ServerState, live::Live, server::Server};
use crate::{Failure, lost};
use afield_exchange::Retry;
use rmcp::{
    model::{
        CallToolRequest, CallToolRequestParams, CallToolResult, CancelledNotificationParam, ClientRequest,
        JsonObject, RequestId, ServerResult, Tool,
    },
    service::{PeerRequestOptions, ServiceError},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout, timeout_at};

/// How often a call is sent again at most.
const REPEATS: usize = 3;
/// How long telling a server that nobody waits any more may take.
const TELLING: Duration = Duration::from_secs(2);

/// As good as for ever, and it can be added to any time.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// A call of a tool.
pub(super) struct Calling {
    pub tool: String,
    pub arguments: Option<JsonObject>,
    pub timeout: Duration,
}

pub(super) async fn call_tool(server: &Arc<Server>, calling: Calling) -> Result<CallToolResult, CallError> {
    let until = Instant::now() + calling.timeout.min(LONGEST);
    let (mut repeats, mut is_renewed) = (0, false);
    loop {
        let live = connected(server, until).await?;
        let failure = match once(server, &live, &calling).await {
            Ok(ServerResult::CallToolResult(result)) => return Ok(result),
            Ok(ServerResult::InputRequiredResult(_)) => return Err(CallError::InputRequired),
            Ok(_) => Failure::new(crate::Stage::Mcp, "the answer is no result of a tool", "", Retry::Unknown),
            Err(ServiceError::McpError(error)) if !is_renewed && lost::is_told_by(&error) => {
                is_renewed = true;
                server.lose(live.generation, &Failure::session_lost());
                continue;
            }
            Err(error) => {
                let authorizer = server.config().and_then(|config| config.authorizer.as_ref());
                failed(error, calling.timeout)?.explained(authorizer).await
            }
        };
        // What is wrong with the answer is not wrong with the session.
        if matches!(failure.stage, crate::Stage::Config | crate::Stage::Policy) || failure.retry == Retry::No
        {
            return Err(CallError::Failed(failure));
        }
        server.lose(live.generation, &failure);
        repeats += 1;
        if failure.retry != Retry::Safe
            || failure.stage == crate::Stage::Auth
            || repeats > REPEATS
            || Instant::now() >= until
        {
            return Err(CallError::Failed(failure));
        }
        tracing::debug!(stage = %failure.stage, %failure, "a call was not executed: sending it again");
    }
}

/// All tools. Asking twice does no harm.
pub(super) async fn list_tools(server: &Arc<Server>, time: Duration) -> Result<Vec<Tool>, CallError> {
    let until = Instant::now() + time.min(LONGEST);
    let mut repeats = 0;
    loop {
        let live = connected(server, until).await?;
        let listed = timeout_at(until, live.peer.list_all_tools()).await;
        let failure = match listed.map_err(|_| CallError::Timeout(time))? {
            Ok(tools) => return Ok(tools),
            Err(ServiceError::McpError(error)) if repeats == 0 && lost::is_told_by(&error) => {
                Failure::session_lost()
            }
            Err(error) => failed(error, time)?,
        };
        server.lose(live.generation, &failure);
        repeats += 1;
        if !failure.is_passing() || repeats > REPEATS {
            return Err(CallError::Failed(failure));
        }
    }
}

/// What an error means, unless it is the call's own end.
fn failed(error: ServiceError, time: Duration) -> Result<Failure, CallError> {
    match error {
        ServiceError::McpError(error) => Err(CallError::Refused(error)),
        ServiceError::Timeout { .. } => Err(CallError::Timeout(time)),
        other => Ok(Failure::of_service(&other)),
    }
}

/// A session, at once if there is one; else what comes of one attempt that is made now. For a server that was ready a
/// while ago, that and those that follow.
async fn connected(server: &Arc<Server>, until: Instant) -> Result<Arc<Live>, CallError> {
    let patience = server.config().map_or(Duration::ZERO, |config| config.patience);
    let mut phase = server.phase();
    let mut failed_before = None;
    loop {
        let now = phase.borrow_and_update().clone();
        if let Some(live) = now.live {
            return Ok(live);
        }
        let state = server.state();
        match &state {
            ServerState::Disabled => return Err(CallError::Disabled),
            ServerState::Closed => return Err(CallError::Closed),
            ServerState::Failed { failure, retry_at: None } => {
                return Err(CallError::NotConnected(failure.clone().beforehand()));
            }
            _ => {}
        }
        let was_ready = now.ready_until.is_some_and(|at| at.elapsed() < patience);
        if let (Some(before), Some(failure)) = (failed_before, state.failure()) {
            let is_tried = now.failed > before;
            if is_tried && !(was_ready && failure.is_passing()) {
                return Err(CallError::NotConnected(failure.clone().beforehand()));
            }
        }
        // An attempt that is under way counts as one that is made now.
        failed_before.get_or_insert(now.failed);
        server.want();
        if !matches!(timeout_at(until, phase.changed()).await, Ok(Ok(()))) {
            let failure = server.state().failure().cloned();
            let waited =
                || Failure::new(crate::Stage::Mcp, "the server did not get ready in time", "", Retry::Safe);
            return Err(CallError::NotConnected(failure.unwrap_or_else(waited).beforehand()));
        }
    }
}

/// Sends the call once. Dropping the future tells the server.
async fn once(server: &Server, live: &Arc<Live>, calling: &Calling) -> Result<ServerResult, ServiceError> {
    let mut params = CallToolRequestParams::new(calling.tool.clone());
    params.arguments.clone_from(&calling.arguments);
    let options = PeerRequestOptions::with_timeout(calling.timeout).reset_timeout_on_progress();
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    let handle = live.peer.send_cancellable_request(request, options).await?;
    let mut telling = Telling { server, live: Some(live.clone()), id: handle.id.clone() };
    let answer = handle.await_response().await;
    telling.live = None;
    answer
}

/// Tells the server that nobody waits for an answer any more, if it is dropped before there is one.
struct Telling<'a> {
    server: &'a Server,
    live: Option<Arc<Live>>,
    id: RequestId,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        let (Some(live), Ok(runtime)) = (self.live.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let params =
            CancelledNotificationParam::new(Some(self.id.clone()), Some("nobody waits any more".into()));
        let told = async move {
            let _ = timeout(TELLING, live.peer.notify_cancelled(params)).await;
        };
        self.server.tasks.spawn_on(told, &runtime);
    }
}
