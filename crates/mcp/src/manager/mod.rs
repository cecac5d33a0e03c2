//! Many MCP servers at once, each kept connected.
//!
//! ```no_run
//! # async fn run(http: std::sync::Arc<dyn afield_client::HttpClient>) -> Result<(), Box<dyn std::error::Error>> {
//! use afield_mcp::{HttpTransport, manager::{Manager, ServerConfig, Entry}};
//! let docs = ServerConfig::new("docs", "http://docs.internal/mcp", HttpTransport::new(http));
//! let manager = Manager::start([Entry::Server(docs)]);
//! let answer = manager.call_tool("docs", "search", None, None).await?;
//! # drop(answer);
//! manager.close().await;
//! # Ok(()) }
//! ```

mod backoff;
mod call;
mod config;
mod connect;
mod error;
mod handler;
mod live;
mod server;
mod state;

pub use config::{Entry, ServerConfig};
pub use error::CallError;
pub use state::{ServerState, Snapshot};

use call::Calling;
use rmcp::model::{CallToolResult, JsonObject, Tool};
use server::Server;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// How long sessions may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// Many MCP servers, each connected by a task of its own: one that is slow or dead delays none of the others.
///
/// # What becomes of a server
///
/// It is connected to at once, with revision 2026-07-28 if it knows that, else 2025-11-25. When it fails, it is tried
/// again after 200 ms, doubling up to 60 s; a call that wants it does not wait for that. A server that restarted (404 for
/// its session, refused connections) or an executor that comes back is noticed by the next call, or by the check of every
/// 30 s: then one new session is begun, however many calls found out.
///
/// # What becomes of a call
///
/// A `tools/call` whose request certainly was not executed (nothing was sent; the session was not known; the server refused
/// the login) is sent again once there is a new session. Any other that fails is not: its error says that it may have been
/// executed. To a server that had been ready, a call waits up to 10 s for it to come back, within its own time.
///
/// Dropping the future of a call cancels it: the server is told by `notifications/cancelled`, and the request is given up.
///
/// # Its end
///
/// [`close`](Self::close) ends all sessions. Dropping the manager does the same without waiting.
pub struct Manager {
    servers: BTreeMap<String, Arc<Server>>,
    tasks: TaskTracker,
    /// All tasks come to an end, sessions are closed.
    ending: CancellationToken,
    /// They are dropped where they are.
    _killing: DropGuard,
    killing: CancellationToken,
}

impl Manager {
    /// Starts to connect to each server. Must be called within a tokio runtime with time and I/O.
    ///
    /// Two entries of one name: the later one counts.
    pub fn start(entries: impl IntoIterator<Item = Entry>) -> Self {
        let (tasks, ending, killing) =
            (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let entries: BTreeMap<String, Entry> =
            entries.into_iter().map(|entry| (entry.name().to_owned(), entry)).collect();
        let servers = entries.into_iter().map(|(name, entry)| {
            let server = Arc::new(Server::new(entry, tasks.clone(), ending.clone(), killing.clone()));
            if server.is_run() {
                let (running, killing) = (server.clone(), killing.clone());
                tasks.spawn(async move { killing.run_until_cancelled(running.run()).await });
            }
            (name, server)
        });
        Self { servers: servers.collect(), tasks, _killing: ending.clone().drop_guard(), ending, killing }
    }

    /// The names of the servers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.servers.keys().map(String::as_str)
    }

    /// How every server stands, in the order of their names.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        self.servers.values().map(|server| server.snapshot()).collect()
    }

    /// How a server stands, from now on; `None` if there is none of this name.
    pub fn watch(&self, name: &str) -> Option<watch::Receiver<ServerState>> {
        Some(self.servers.get(name)?.watch())
    }

    /// Waits until every server has been tried once: each is ready, disabled or has failed.
    ///
    /// Cancel safe.
    pub async fn settled(&self) {
        for server in self.servers.values() {
            let mut state = server.watch();
            let _ = state.wait_for(|state| !matches!(state, ServerState::Connecting)).await;
        }
    }

    /// The required servers that are not ready, and how they stand.
    pub fn missing(&self) -> Vec<Snapshot> {
        let missing =
            |snapshot: &Snapshot| snapshot.required && !matches!(snapshot.state, ServerState::Ready { .. });
        self.snapshot().into_iter().filter(missing).collect()
    }

    /// All tools of a server, from all pages.
    ///
    /// # Errors
    ///
    /// As [`call_tool`](Self::call_tool).
    pub async fn list_tools(&self, name: &str) -> Result<Vec<Tool>, CallError> {
        let server = self.server(name)?;
        call::list_tools(server, server.startup_timeout()).await
    }

    /// Calls a tool, in the server's time for that or in `timeout`. Progress that the server reports begins the time anew.
    ///
    /// Cancel safe in the only sense there is: dropping the future cancels the call, which may have been executed.
    ///
    /// # Errors
    ///
    /// The server is not known, disabled or not to be reached; it refused the call; the call took too long, or its answer
    /// was lost. [`CallError::may_have_been_executed`] says whether calling again may do it twice. That the tool itself
    /// failed is no error: see [`CallToolResult::is_error`].
    pub async fn call_tool(
        &self,
        name: &str,
        tool: &str,
        arguments: Option<JsonObject>,
        timeout: Option<Duration>,
    ) -> Result<CallToolResult, CallError> {
        let server = self.server(name)?;
        let timeout = timeout.unwrap_or(server.tool_timeout());
        call::call_tool(server, Calling { tool: tool.to_owned(), arguments, timeout }).await
    }

    /// Ends all sessions, and waits for that: at most 5 s. Calls under way end.
    pub async fn close(self) {
        self.ending.cancel();
        self.tasks.close();
        if timeout(GOODBYE, self.tasks.wait()).await.is_err() {
            tracing::warn!("not every MCP server heard of the end of its session in time");
        }
        self.killing.cancel();
        for server in self.servers.values() {
            server.settle().await;
        }
    }

    fn server(&self, name: &str) -> Result<&Arc<Server>, CallError> {
        self.servers.get(name).ok_or_else(|| CallError::Unknown(name.to_owned()))
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("servers", &self.servers.keys()).finish_non_exhaustive()
    }
}
