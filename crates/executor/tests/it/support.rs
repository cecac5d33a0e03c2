//! An executor in this process, and short ways to talk to it.

use afield_exchange::Limits;
use afield_executor::{Config, Executor, Listen};
use afield_testkit::{Peer, Upgrade, within};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{collections::HashMap, net::SocketAddr};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running executor. Dropping it ends it at once.
pub struct Running {
    pub address: SocketAddr,
    pub url: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// With the defaults.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With these limits.
    pub async fn limited(limit: impl FnOnce(&mut Limits)) -> Self {
        Self::with(|config| limit(&mut config.egress.limits)).await
    }

    /// With this configuration.
    pub async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let listen = Listen::Ws(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut config = Config { listen, ..Config::default() };
        configure(&mut config);
        let executor = Executor::bind(config).await.unwrap();
        let address = executor.local_addr().unwrap();
        let url = executor.url().unwrap();
        let stop = CancellationToken::new();
        Self { address, url, task: tokio::spawn(executor.run(stop.clone())), stop }
    }

    /// A connection that is ready for calls.
    pub async fn connect(&self) -> Peer {
        let mut peer = self.open().await;
        peer.initialize(json!({ "clientName": "test" })).await;
        peer
    }

    /// A connection on which nothing has been said.
    pub async fn open(&self) -> Peer {
        Upgrade::to(self.address).open().await.unwrap()
    }

    /// What `/readyz` answers.
    pub async fn readyz(&self) -> u16 {
        let probe = Upgrade::to(self.address).path("/readyz").without("upgrade").without("connection");
        probe.open().await.unwrap_err().status().unwrap()
    }

    /// Tells it to stop, as a first signal does.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Ends it at once, as a second signal does.
    pub fn stop_at_once(&self) {
        self.task.abort();
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) {
        within("the executor ends", &mut self.task).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The parameters of a buffered `GET`.
pub fn get(url: impl Into<String>) -> Value {
    json!({ "method": "GET", "url": url.into(), "requestId": "buffered-request" })
}

/// The parameters of a streamed `GET`.
pub fn stream(url: impl Into<String>, request_id: &str) -> Value {
    json!({ "method": "GET", "url": url.into(), "requestId": request_id, "streamResponse": true })
}

/// The parameters of a buffered `POST` of these bytes.
pub fn post(url: impl Into<String>, body: &[u8]) -> Value {
    json!({ "method": "POST", "url": url.into(), "requestId": "upload", "bodyBase64": STANDARD.encode(body) })
}

/// The body of a buffered answer.
pub fn body(answer: &Value) -> Vec<u8> {
    let text = answer["result"]["bodyBase64"].as_str().unwrap_or_else(|| panic!("no answer: {answer}"));
    STANDARD.decode(text).unwrap()
}

/// The kind of a refused call.
pub fn kind(answer: &Value) -> &str {
    answer["error"]["data"]["kind"].as_str().unwrap_or_else(|| panic!("no error with data: {answer}"))
}

/// One frame of a streamed body.
#[derive(Debug)]
pub struct Delta {
    pub seq: u64,
    pub bytes: Vec<u8>,
    pub done: bool,
    pub error: Option<String>,
}

impl Delta {
    fn of(message: &Value) -> Self {
        assert_eq!(message["method"], "http/request/bodyDelta", "{message}");
        let params = &message["params"];
        Self {
            seq: params["seq"].as_u64().unwrap(),
            bytes: STANDARD.decode(params["deltaBase64"].as_str().unwrap()).unwrap(),
            done: params["done"].as_bool().unwrap(),
            error: params["error"].as_str().map(str::to_owned),
        }
    }
}

/// The calls of the base dialect.
pub trait Base {
    /// Makes a call and awaits its answer.
    async fn request(&mut self, params: Value) -> Value;

    /// Starts a streamed `GET` and awaits its head.
    async fn open_stream(&mut self, url: impl Into<String>, request_id: &str) -> Value;

    /// Awaits the next frame of a stream.
    async fn delta(&mut self, request_id: &str) -> Delta;

    /// Awaits a stream's frames to the last: the bytes, and the error it ended with. Checks the count.
    async fn rest(&mut self, request_id: &str, first_seq: u64) -> (Vec<u8>, Option<String>);

    /// Awaits the clean ends of so many streams, whichever come first, and returns their bodies. Checks every count.
    async fn ends(&mut self, streams: usize) -> HashMap<String, Vec<u8>>;

    /// Cancels by notification.
    async fn cancel(&mut self, request_id: &str);
}

impl Base for Peer {
    async fn request(&mut self, params: Value) -> Value {
        self.call("http/request", params).await
    }

    async fn open_stream(&mut self, url: impl Into<String>, request_id: &str) -> Value {
        let mut answer = self.request(stream(url, request_id)).await;
        assert_eq!(answer["result"]["bodyBase64"], "", "no head: {answer}");
        answer["result"].take()
    }

    async fn delta(&mut self, request_id: &str) -> Delta {
        let found = self.find(|message| {
            let message: Value = serde_json::from_str(message.to_text().ok()?).ok()?;
            (message["params"]["requestId"] == request_id).then_some(message)
        });
        Delta::of(&found.await)
    }

    async fn ends(&mut self, streams: usize) -> HashMap<String, Vec<u8>> {
        let mut open: HashMap<String, (u64, Vec<u8>)> = HashMap::new();
        let mut ended = HashMap::new();
        while ended.len() < streams {
            let message = self.json().await;
            let Some(id) = message["params"]["requestId"].as_str() else {
                assert_eq!(message["result"]["status"], 200, "a head: {message}");
                continue;
            };
            let delta = Delta::of(&message);
            let (seq, bytes) = open.entry(id.to_owned()).or_default();
            *seq += 1;
            assert_eq!((delta.seq, delta.error), (*seq, None));
            bytes.extend_from_slice(&delta.bytes);
            if delta.done {
                let (_, bytes) = open.remove(id).unwrap();
                assert!(ended.insert(id.to_owned(), bytes).is_none(), "{id} ends once");
            }
        }
        ended
    }

    async fn rest(&mut self, request_id: &str, first_seq: u64) -> (Vec<u8>, Option<String>) {
        let mut bytes = Vec::new();
        for seq in first_seq.. {
            let delta = self.delta(request_id).await;
            assert_eq!(delta.seq, seq);
            if delta.done {
                assert!(delta.bytes.is_empty(), "the last frame has no bytes");
                return (bytes, delta.error);
            }
            assert_eq!(delta.error, None, "only the last frame has an error");
            bytes.extend_from_slice(&delta.bytes);
        }
        unreachable!("streams end")
    }

    async fn cancel(&mut self, request_id: &str) {
        self.notify("http/request/cancel", json!({ "requestId": request_id })).await;
    }
}
