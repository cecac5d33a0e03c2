use afield_client::{HttpClient, Local, Remote, RemoteConfig};
use afield_egress::EgressConfig;
use afield_executor::{Config, Executor, Listen};
use afield_mcp::{
    HttpTransport, Stage,
    manager::{CallError, Entry, Manager, ServerConfig, ServerState},
};
use afield_testkit::mcp::{Counts, Server};
use afield_testkit::{
    Toxic,
    dead::{Blackhole, Refusing},
    toxic::Cut,
    within,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

fn local() -> Arc<dyn HttpClient> {
    Arc::new(Local::new(EgressConfig::default()).unwrap())
}

fn config(name: &str, url: &str, client: Arc<dyn HttpClient>) -> ServerConfig {
    let mut config = ServerConfig::new(name, url, HttpTransport::new(client));
    config.check_every = None;
    config
}

async fn managed(server: &Server, client: Arc<dyn HttpClient>) -> Arc<Manager> {
    let manager = Manager::start([Entry::Server(config("s", &server.url(), client))]);
    within("the server is ready", manager.settled()).await;
    assert!(
        matches!(manager.snapshot()[0].state, ServerState::Ready { tools: Some(1), .. }),
        "{:?}",
        manager.snapshot()
    );
    Arc::new(manager)
}

/// Calls a tool in a task of its own.
fn begin(manager: &Arc<Manager>, tool: &'static str) -> tokio::task::JoinHandle<Result<(), CallError>> {
    let manager = manager.clone();
    tokio::spawn(async move { manager.call_tool("s", tool, None, None).await.map(drop) })
}

async fn executor_at(address: SocketAddr) -> (JoinSet<()>, SocketAddr) {
    let executor = Executor::bind(Config { listen: Listen::Ws(address), ..Config::default() }).await.unwrap();
    let address = executor.local_addr().unwrap();
    let mut running = JoinSet::new();
    running.spawn(executor.run(CancellationToken::new()));
    (running, address)
}

/// Proves that a hundred calls that find their session gone bring about one new session, and are executed once each.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_one_new_session_for_a_hundred_calls() {
    let mut server = Server::start().await;
    let manager = managed(&server, local()).await;
    server.restart().await;
    let calls: Vec<_> = (0..100).map(|_| begin(&manager, "count")).collect();
    for call in calls {
        within("each call", call).await.unwrap().unwrap();
    }
    let counts = server.counts();
    assert_eq!((counts.initialized, counts.executed), (2, 100));
}

/// Proves that a call to a server that is down waits for it to come back, and is then executed once.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_a_server_that_was_ready() {
    let mut server = Server::start().await;
    let manager = managed(&server, local()).await;
    let mut state = manager.watch("s").unwrap();
    server.kill().await;
    let call = begin(&manager, "count");
    within("the loss is seen", state.wait_for(|state| matches!(state, ServerState::Failed { .. })))
        .await
        .unwrap();
    server.restart().await;
    within("the call", call).await.unwrap().unwrap();
    assert_eq!(server.counts().executed, 1);
}

/// Proves that a call whose server dies while it works is not sent again, and says that it may have been executed; and that
/// the next one finds the server again.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_have_been_executed_is_not_sent_again() {
    let mut server = Server::start().await;
    let manager = managed(&server, local()).await;
    let call = begin(&manager, "gated");
    server.until("the call is being executed", |counts| counts.executed == 1).await;
    server.restart().await;
    let error = within("the call", call).await.unwrap().unwrap_err();
    assert!(error.may_have_been_executed(), "{error:?}");
    within("the next call", begin(&manager, "count")).await.unwrap().unwrap();
    assert_eq!(server.counts().executed, 2, "one and the next one");
}

/// Proves that an executor that is killed in the middle of a call loses that call alone, unrepeated, and is used again when
/// it is back.
#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_comes_back_is_used_again() {
    let server = Server::start().await;
    let (mut running, address) = executor_at(([127, 0, 0, 1], 0).into()).await;
    let mut reach = RemoteConfig::new(format!("ws://{address}"));
    reach.wait = false;
    let manager = managed(&server, Arc::new(Remote::new(reach))).await;
    let call = begin(&manager, "gated");
    server.until("the call is being executed", |counts| counts.executed == 1).await;
    running.shutdown().await;
    let (_running, _) = executor_at(address).await;
    let error = within("the call", call).await.unwrap().unwrap_err();
    assert!(error.may_have_been_executed(), "{error:?}");
    within("the next call", begin(&manager, "count")).await.unwrap().unwrap();
    assert_eq!(server.counts().executed, 2, "one and the next one");
}

/// Proves that a connection to the executor that is cut in the middle of a call costs nothing: the answer comes, and the
/// call was executed once.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_costs_nothing() {
    let server = Server::start().await;
    let (_running, address) = executor_at(([127, 0, 0, 1], 0).into()).await;
    let network = Toxic::start(address).await;
    let remote = Remote::new(RemoteConfig::new(format!("ws://{}", network.address())));
    let manager = managed(&server, Arc::new(remote)).await;
    let call = begin(&manager, "gated");
    server.until("the call is being executed", |counts| counts.executed == 1).await;
    network.cut(Cut::Reset);
    server.open();
    within("the call", call).await.unwrap().unwrap();
    let counts = server.counts();
    assert_eq!((counts.initialized, counts.executed), (1, 1));
}

/// Proves that a call that nobody waits for any more, and one that takes too long, are cancelled at the server; and that
/// the end of the manager ends the session.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_hears_of_cancels_and_of_the_end() {
    let server = Server::start().await;
    let manager = managed(&server, local()).await;
    let call = begin(&manager, "gated");
    server.until("the call is being executed", |counts| counts.executed == 1).await;
    call.abort();
    server.until("the cancel", |counts| counts.cancelled == 1).await;
    let soon = Some(Duration::from_millis(50));
    let error = within("the call", manager.call_tool("s", "gated", None, soon)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout(_)) && error.may_have_been_executed());
    server.until("the cancel", |counts| counts.cancelled == 2).await;
    assert!(call.await.unwrap_err().is_cancelled());
    let manager = Arc::into_inner(manager).expect("the task that had the other clone has ended");
    within("the end", manager.close()).await;
    server.until("the end of the session", |counts| counts.deleted == 1).await;
    assert_eq!(server.counts(), Counts { initialized: 1, executed: 2, cancelled: 2, deleted: 1 });
}

/// Proves that a server that never answers and one that refuses delay nobody, that each fails in its own stage, and that a
/// required one is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_delays_nobody() {
    let server = Server::start().await;
    let (silent, refusing) = (Blackhole::on("127.0.0.1").await, Refusing::on("127.0.0.1"));
    let url = |address: SocketAddr| format!("http://{address}/mcp");
    let mut required = config("refusing", &url(refusing.address()), local());
    required.required = true;
    let mut slow = config("silent", &url(silent.address()), local());
    slow.startup_timeout = Duration::from_secs(3600);
    let manager = Manager::start([
        Entry::Server(slow),
        Entry::Server(required),
        Entry::Server(config("good", &server.url(), local())),
        Entry::Disabled { name: "off".into(), environment: "local".into() },
    ]);
    within("a call of the good one", manager.call_tool("good", "count", None, None)).await.unwrap();
    let mut state = manager.watch("refusing").unwrap();
    within("the failure", state.wait_for(|state| state.failure().is_some())).await.unwrap();
    assert_eq!(state.borrow().failure().unwrap().stage, Stage::Connect);
    assert_eq!(*manager.watch("silent").unwrap().borrow(), ServerState::Connecting);
    assert_eq!(manager.missing().len(), 1);
    assert!(matches!(manager.call_tool("off", "count", None, None).await, Err(CallError::Disabled)));
    assert!(matches!(manager.call_tool("none", "count", None, None).await, Err(CallError::Unknown(_))));
    within("the end", manager.close()).await;
}
