use afield_testkit::within;
use std::{io, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection to the gateway, as bytes.
pub struct Caller {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// How the gateway ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Closed,
    Reset,
}

/// An answer, its body as long as its head says.
#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    /// The values of a field, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The kind of error that the gateway itself answered with.
    pub fn error(&self) -> Option<&str> {
        self.values("afield-error").first().copied()
    }
}

impl Caller {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("the gateway reads", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Closes the sending side.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Ends the connection with RST.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Everything up to and with `text`.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> impl Future<Output = Vec<u8>> {
        let what = format!("{text:?} comes from the gateway");
        within(what, async move {
            loop {
                let found = self.unread.windows(text.len()).position(|window| window == text.as_bytes());
                if let Some(at) = found {
                    return self.unread.drain(..at + text.len()).collect();
                }
                let read = self.stream.read_buf(&mut self.unread).await.unwrap();
                assert_ne!(read, 0, "the end after {:?}", self.unread.escape_ascii().to_string());
            }
        })
    }

    /// A head, up to and without its empty line.
    #[track_caller]
    pub fn head(&mut self) -> impl Future<Output = String> {
        let head = self.until("\r\n\r\n");
        async { String::from_utf8_lossy(&head.await).trim_end().to_owned() }
    }

    /// A head and a body as long as its `content-length` says.
    #[track_caller]
    pub fn answer(&mut self) -> impl Future<Output = Answer> {
        within("an answer comes from the gateway", async move {
            let mut answer = Answer { head: self.head().await, body: Vec::new() };
            let length = match answer.values("content-length").first() {
                Some(length) => length.parse().unwrap(),
                None => 0,
            };
            while self.unread.len() < length {
                assert_ne!(self.stream.read_buf(&mut self.unread).await.unwrap(), 0, "the end too early");
            }
            answer.body = self.unread.drain(..length).collect();
            answer
        })
    }

    /// A head, or whatever comes before the end of the connection.
    #[track_caller]
    pub fn rest_or_head(&mut self) -> impl Future<Output = String> {
        within("the gateway says something or ends the connection", async move {
            while !self.unread.windows(4).any(|window| window == b"\r\n\r\n")
                && self.stream.read_buf(&mut self.unread).await.unwrap_or(0) > 0
            {}
            String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
        })
    }

    /// Everything up to the end of the connection, and how it ended.
    #[track_caller]
    pub fn rest(&mut self) -> impl Future<Output = (Vec<u8>, Ending)> {
        within("the gateway ends the connection", async move {
            let ending = match self.stream.read_to_end(&mut self.unread).await {
                Ok(_) => Ending::Closed,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ending::Reset,
                Err(error) => panic!("{error}"),
            };
            (std::mem::take(&mut self.unread), ending)
        })
    }
}
