use super::connection::{Peer, parse};
use serde_json::{Value, json};

/// The shapes of JSON-RPC that every test needs.
impl Peer {
    /// Sends a call under the next integer id, and returns that id.
    ///
    /// # Panics
    ///
    /// When the connection is gone, and after [`PATIENCE`](crate::PATIENCE).
    pub async fn start(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        self.send_json(&json!({ "id": id, "method": method, "params": params })).await;
        id
    }

    /// Waits for the answer to call `id`: the whole object, with `result` or `error`. Other messages are kept in order.
    ///
    /// # Panics
    ///
    /// When the connection ends, and after [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn answer(&mut self, id: impl Into<Value>) -> impl Future<Output = Value> {
        let id = id.into();
        self.find(move |message| parse(message).filter(|v| v["id"] == id && v.get("method").is_none()))
    }

    /// Sends a call and waits for its answer.
    ///
    /// # Panics
    ///
    /// When the connection ends, and after [`PATIENCE`](crate::PATIENCE).
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.start(method, params).await;
        self.answer(id).await
    }

    /// Sends a notification.
    ///
    /// # Panics
    ///
    /// When the connection is gone, and after [`PATIENCE`](crate::PATIENCE).
    pub async fn notify(&mut self, method: &str, params: Value) {
        self.send_json(&json!({ "method": method, "params": params })).await;
    }

    /// Waits for a call or notification of this method from the other side. Other messages are kept in order.
    ///
    /// # Panics
    ///
    /// When the connection ends, and after [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn asked(&mut self, method: &str) -> impl Future<Output = Value> {
        let method = method.to_owned();
        self.find(move |message| parse(message).filter(|v| v["method"] == method.as_str()))
    }

    /// Opens a session as a client does: `initialize` with `params`, then `initialized`. Returns the result.
    ///
    /// # Panics
    ///
    /// When it is refused, when the connection ends, and after [`PATIENCE`](crate::PATIENCE).
    pub async fn initialize(&mut self, params: Value) -> Value {
        let id = "initialize";
        self.send_json(&json!({ "id": id, "method": "initialize", "params": params })).await;
        let mut answer = self.answer(id).await;
        assert!(answer.get("error").is_none(), "initialize was refused: {answer}");
        self.notify("initialized", json!({})).await;
        answer["result"].take()
    }

    /// Opens a session as an executor does: answers `initialize` with `result` and waits for `initialized`. Returns
    /// the client's parameters.
    ///
    /// # Panics
    ///
    /// When the connection ends, and after [`PATIENCE`](crate::PATIENCE).
    pub async fn accept_session(&mut self, result: Value) -> Value {
        let mut asked = self.asked("initialize").await;
        self.send_json(&json!({ "id": asked["id"], "result": result })).await;
        self.asked("initialized").await;
        asked["params"].take()
    }
}
