//! The wire, with the least that makes a connection. Unlike a [`Peer`](crate::Peer), it is nobody's defect here when the other
//! side refuses, closes, or does not read.

use super::Ours;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, header::AUTHORIZATION};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

pub(super) struct Socket {
    stream: WebSocketStream<TcpStream>,
    is_base: bool,
}

impl Ours {
    /// A connection with this credential, if the executor takes it.
    pub async fn open(&self, token: Option<&str>) -> Result<Socket, Error> {
        let mut request = format!("ws://{}/", self.executor).into_client_request()?;
        if let Some(token) = token {
            let bearer = HeaderValue::try_from(format!("Bearer {token}")).expect("a token is visible");
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        let stream = TcpStream::connect(self.executor).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (stream, _) = client_async_with_config(request, stream, Some(config)).await?;
        Ok(Socket { stream, is_base: true })
    }

    /// A connection of its own, and a session.
    pub async fn begin(&self, dialects: &[&str]) -> Result<Socket, Error> {
        Ok(self.initialize(json!({ "dialects": dialects, "windowBytes": 65536 })).await?.0)
    }

    /// The same with more to say, and the executor's answer.
    pub async fn initialize(&self, mut params: Value) -> Result<(Socket, Value), Error> {
        let mut socket = self.open(Some(&self.token)).await?;
        params["clientName"] = json!("hostile");
        socket.send(&json!({ "id": 0, "method": "initialize", "params": params })).await?;
        let answer: Value = serde_json::from_str(&socket.text().await?).unwrap_or_default();
        if !answer["result"].is_object() {
            return Err(Error::ConnectionClosed);
        }
        socket.is_base = answer["result"]["dialect"] != "afield/1";
        socket.send(&json!({ "method": "initialized", "params": {} })).await?;
        Ok((socket, answer))
    }
}

impl Socket {
    pub async fn send(&mut self, message: &Value) -> Result<(), Error> {
        self.stream.send(Message::text(message.to_string())).await
    }

    pub async fn binary(&mut self, message: Vec<u8>) -> Result<(), Error> {
        self.stream.send(Message::binary(message)).await
    }

    /// Asks for something over HTTP, as the dialect of the session wants it.
    pub async fn ask(&mut self, id: u64, mut params: Value) -> Result<(), Error> {
        params["requestId"] = if self.is_base { json!(id.to_string()) } else { json!(id) };
        self.send(&json!({ "id": id, "method": "http/request", "params": params })).await
    }

    /// Bytes as they are.
    pub async fn raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.stream.get_mut().write_all(bytes).await?)
    }

    /// The next text.
    pub async fn text(&mut self) -> Result<String, Error> {
        loop {
            match self.stream.next().await.ok_or(Error::ConnectionClosed)?? {
                Message::Text(text) => return Ok(text.to_string()),
                Message::Close(_) => return Err(Error::ConnectionClosed),
                _ => {}
            }
        }
    }

    /// Reads and forgets whatever comes, to the end.
    pub async fn drain(mut self) {
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}
