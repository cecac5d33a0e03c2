use afield_client::{HttpClient, Local};
use afield_egress::EgressConfig;
use afield_mcp::{HttpTransport, Relay};
use afield_testkit::mcp::Server;
use afield_testkit::within;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// A host that speaks lines.
pub struct Host {
    pub input: Option<DuplexStream>,
    pub output: Lines<BufReader<DuplexStream>>,
    pub relay: JoinHandle<std::io::Result<()>>,
}

impl Host {
    async fn of(server: &Server) -> Self {
        Self::at(&server.url()).await
    }

    /// One that has said nothing yet.
    pub fn of_url(url: &str) -> Self {
        Self::by(Arc::new(Local::new(EgressConfig::default()).unwrap()), url)
    }

    /// One that has said nothing yet, whose server is asked by this client.
    pub fn by(client: Arc<dyn HttpClient>, url: &str) -> Self {
        let (input, there) = tokio::io::duplex(1 << 16);
        let (here, output) = tokio::io::duplex(1 << 16);
        let transport = HttpTransport::new(client);
        let relay = Relay::new(url, transport);
        let relay = tokio::spawn(relay.run(there, here, CancellationToken::new()));
        Self { input: Some(input), output: BufReader::new(output).lines(), relay }
    }

    /// One whose session has begun.
    pub async fn at(url: &str) -> Self {
        let mut host = Self::of_url(url);
        host.begin().await;
        host
    }

    /// Begins the session.
    pub async fn begin(&mut self) {
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        self.say(json!({ "jsonrpc": "2.0", "id": "init", "method": "initialize", "params": params })).await;
        assert_eq!(self.hear().await["id"], "init");
        self.say(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    }

    pub async fn say(&mut self, message: Value) {
        self.raw(&message.to_string()).await;
    }

    /// Says a line that may be no message.
    pub async fn raw(&mut self, line: &str) {
        self.input.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    pub async fn call(&mut self, id: u64, tool: &str) {
        self.say(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool } }))
            .await;
    }

    pub async fn hear(&mut self) -> Value {
        let line = within("a message", self.output.next_line()).await.unwrap().expect("the relay goes on");
        serde_json::from_str(&line).unwrap()
    }

    /// Ends its input, and waits for the relay's end.
    pub async fn end(mut self) -> std::io::Result<()> {
        drop(self.input.take());
        within("the relay's end", self.relay).await.unwrap()
    }
}

/// Proves that a relay begins one new session for many requests when the server was restarted, unseen by the host, with
/// every request executed once and every id its own; and that the end of input ends the session.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_unseen_by_the_host() {
    let mut server = Server::start().await;
    let mut host = Host::of(&server).await;
    server.restart().await;
    for id in 0..20 {
        host.call(id, "count").await;
    }
    let mut ids = Vec::new();
    for _ in 0..20 {
        let answer = host.hear().await;
        assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
        ids.push(answer["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
    let counts = server.counts();
    assert_eq!((counts.initialized, counts.executed), (2, 20));
    host.end().await.unwrap();
    assert_eq!(server.counts().deleted, 1);
}

/// Proves that a request whose server dies while it works is answered with an error that says so, and not sent again; that
/// what is asked once the server is there again is executed; and that a line that is no message is answered as such.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_executed_is_answered_with_an_error() {
    let mut server = Server::start().await;
    let mut host = Host::of(&server).await;
    host.call(1, "gated").await;
    server.until("the call is being executed", |counts| counts.executed == 1).await;
    server.kill().await;
    let answer = host.hear().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32000)), "{answer}");
    assert_eq!(answer["error"]["data"]["afield"]["mayHaveBeenExecuted"], true);
    server.restart().await;
    host.call(2, "count").await;
    assert_eq!(host.hear().await["result"]["content"][0]["text"], "done");
    assert_eq!(server.counts().executed, 2);
    host.input.as_mut().unwrap().write_all(b"{oops\n").await.unwrap();
    assert_eq!(host.hear().await["error"]["code"], -32700);
    host.end().await.unwrap();
}

/// Proves that a server which is away is told of with each message, soon and once, with what to do, and not the later the longer it is
/// away; and that a host goes on once it is there (case 202).
#[tokio::test(flavor = "multi_thread")]
async fn relay_tells_of_a_server_that_is_away_with_each_message() {
    let mut server = Server::start().await;
    let mut host = Host::of(&server).await;
    host.call(1, "count").await;
    assert_eq!(host.hear().await["id"], 1);
    server.kill().await;
    let began = Instant::now();
    for id in 2..12 {
        host.call(id, "count").await;
        let answer = host.hear().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(id), &json!(-32000)), "{answer}");
        let told = &answer["error"]["data"]["afield"];
        assert_eq!((&told["stage"], &told["mayHaveBeenExecuted"]), (&json!("connect"), &json!(false)));
        assert!(told["hint"].as_str().unwrap().contains("running"), "{answer}");
    }
    // Ten seconds for each of them, once.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    server.restart().await;
    host.call(12, "count").await;
    assert_eq!(host.hear().await["result"]["content"][0]["text"], "done");
    assert_eq!(server.counts().executed, 2);
    host.end().await.unwrap();
}

/// Proves that answers that are due when the input ends are still given.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_input_waits_for_what_is_due() {
    let server = Server::start().await;
    let mut host = Host::of(&server).await;
    host.call(1, "gated").await;
    server.until("the call is being executed", |counts| counts.executed == 1).await;
    drop(host.input.take());
    server.open();
    assert_eq!(host.hear().await["result"]["content"][0]["text"], "done");
    within("the relay's end", host.relay).await.unwrap().unwrap();
}
