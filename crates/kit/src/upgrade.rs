use crate::{checks::Stop, context::Context};
use afield_transport::{NetStream, connect};
use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// An upgrade request in the making: a proper one, until something about it is changed.
pub(crate) struct Upgrade {
    method: &'static str,
    target: &'static str,
    headers: Vec<(&'static str, String)>,
}

/// The head that came for it, the stream, and what was read beyond.
pub(crate) struct Answered {
    pub status: u16,
    head: String,
    pub stream: NetStream,
    pub read_ahead: BytesMut,
}

impl Answered {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Upgrade {
    /// A proper request, with the token if there is one.
    pub fn proper(context: &Context) -> Self {
        let mut headers = vec![
            ("Host", String::new()),
            ("Upgrade", "websocket".to_owned()),
            ("Connection", "Upgrade".to_owned()),
            ("Sec-WebSocket-Version", "13".to_owned()),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
        ];
        headers.extend(context.token.iter().map(|token| ("Authorization", format!("Bearer {token}"))));
        Self { method: "GET", target: "/", headers }
    }

    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub fn target(mut self, target: &'static str) -> Self {
        self.target = target;
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sends it on a connection of its own and reads the head of the answer.
    pub async fn ask(self, context: &Context) -> Result<Answered, Stop> {
        let failed =
            |why: &dyn std::fmt::Display| Stop::Failed(format!("the upgrade was not answered: {why}"));
        let dialled = connect(&context.dial).await.map_err(|error| failed(&error))?;
        let (mut stream, host) = (dialled.stream, dialled.authority);
        let mut request = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            let value = if *name == "Host" && value.is_empty() { &host } else { value };
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut read = BytesMut::new();
        let exchange = async {
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await?;
            loop {
                if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                    return Ok(end + 4);
                }
                if read.len() > 64 * 1024 || stream.read_buf(&mut read).await? == 0 {
                    return Err(std::io::Error::other("the answer has no end"));
                }
            }
        };
        let end = timeout(context.patience, exchange).await;
        let end = end.map_err(|_| failed(&"nothing came in time"))?.map_err(|error| failed(&error))?;
        let head = String::from_utf8_lossy(&read.split_to(end)).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| failed(&"the answer is not HTTP"))?;
        Ok(Answered { status, head, stream, read_ahead: read })
    }
}
