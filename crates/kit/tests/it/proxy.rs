use afield_protocol::resumable::BodyMessage;
use afield_transport::{
    Acceptor, CloseReason, Closed, Connection, DialConfig, Message, NetStream, NoAuthentication, Readiness,
    Received, WebSocket, dial,
};
use serde_json::Value;
use std::{net::Ipv4Addr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the executor.
    Up,
    /// To the kit.
    Down,
}

/// What comes between: turns a message into those that go on.
pub trait Meddle: FnMut(Way, Value) -> Vec<Value> + Send {}
impl<F: FnMut(Way, Value) -> Vec<Value> + Send> Meddle for F {}

/// What a breach does on one connection. Everything passes unless it says otherwise.
pub trait Breach: Send + 'static {
    fn text(&mut self, _: Way, message: Value) -> Vec<Value> {
        vec![message]
    }

    fn body(&mut self, _: Way, message: BodyMessage) -> Vec<BodyMessage> {
        vec![message]
    }

    /// A binary message that is no body message.
    fn passes_malformed(&self) -> bool {
        true
    }

    fn close(&mut self, code: u16) -> u16 {
        code
    }
}

impl Breach for Box<dyn Meddle> {
    fn text(&mut self, way: Way, message: Value) -> Vec<Value> {
        self(way, message)
    }
}

/// An executor that is another one, seen through something that breaks the protocol.
pub struct Proxy {
    pub url: String,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// With one breach for each connection.
    pub async fn with<B: Breach>(executor: &str, breach: impl Fn() -> B + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let executor = executor.to_owned();
        let limits = afield_executor::Config::default().egress.limits;
        let acceptor = Arc::new(Acceptor::new(NoAuthentication, [""; 0], Readiness::new(), &limits));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(stream, acceptor.clone(), executor.clone(), breach()));
            }
        });
        Self { url, task }
    }

    pub async fn start(executor: &str, meddle: impl Fn() -> Box<dyn Meddle> + Send + 'static) -> Self {
        Self::with(executor, meddle).await
    }
}

async fn connection<B: Breach>(stream: TcpStream, acceptor: Arc<Acceptor>, executor: String, mut breach: B) {
    let peer = stream.peer_addr().unwrap();
    let Ok(accepted) = acceptor.accept(NetStream::Plain(stream), peer).await else { return };
    let (mut kit, mut executor) = (accepted.connection, dial(&DialConfig::new(executor)).await.unwrap());
    loop {
        let (way, received) = tokio::select! {
            received = kit.receive() => (Way::Up, received),
            received = executor.receive() => (Way::Down, received),
        };
        let to = if way == Way::Up { &mut executor } else { &mut kit };
        match received {
            Ok(Received::Message(message)) => {
                for message in passed(&mut breach, way, message) {
                    if to.send_all(message).await.is_err() {
                        // What it said last is still to be read.
                        break;
                    }
                }
            }
            Ok(_) => {}
            Err(closed) => return end(&mut breach, way, to, closed).await,
        }
    }
}

/// Passes the end of a connection on: with its code, or without a word.
async fn end<B: Breach>(breach: &mut B, way: Way, to: &mut WebSocket<NetStream>, closed: Closed) {
    let code = match closed.reason {
        CloseReason::Peer { code: Some(code), .. } => code,
        CloseReason::TooLarge => 1009,
        _ => return,
    };
    to.close(if way == Way::Down { breach.close(code) } else { code }, "");
    let _ = timeout(Duration::from_secs(2), to.closed()).await;
}

fn passed<B: Breach>(breach: &mut B, way: Way, message: Message) -> Vec<Message> {
    let text = |value: Value| Message::Text(value.to_string().into());
    match message {
        Message::Text(bytes) => match serde_json::from_slice(&bytes) {
            // Messages that name a key twice are to arrive as they are.
            Ok(value)
                if afield_protocol::json::check_object(std::str::from_utf8(&bytes).unwrap()).is_ok() =>
            {
                breach.text(way, value).into_iter().map(text).collect()
            }
            _ => vec![Message::Text(bytes)],
        },
        Message::Binary(bytes) => match BodyMessage::decode(&bytes) {
            Ok(body) => {
                breach.body(way, body).into_iter().map(|body| Message::Binary(body.encode())).collect()
            }
            Err(_) if breach.passes_malformed() => vec![Message::Binary(bytes)],
            Err(_) => Vec::new(),
        },
    }
}
