//! What each way does, until it is turned away.

use super::{Ours, Way, pause};
use crate::peer::{Frame, opcode};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::LazyLock, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Error;

const MIB: u64 = 1024 * 1024;

/// What one task holds at a time, where it is the executor that is to say when it is enough.
const MOST: usize = 4096;

/// How long what was filled is left so, before it is filled anew.
const HOLD: Duration = Duration::from_secs(1);

/// The dialects of sessions that can be resumed.
const OWN: &[&str] = &["afield/1"];

/// A body of 30 MiB as it stands in a message, in a frame that goes on.
static LARGE: LazyLock<Bytes> = LazyLock::new(|| {
    let body = STANDARD.encode(vec![7; 30 * MIB as usize]);
    Frame::new(opcode::CONTINUATION, body).more().bytes()
});

/// All but the last byte of a message of 63 MiB.
static ENDLESS: LazyLock<Bytes> =
    LazyLock::new(|| Frame::new(opcode::TEXT, vec![b' '; 63 * MIB as usize - 1]).claiming(63 * MIB).bytes());

impl Ours {
    pub async fn once(&self, way: Way) -> Result<(), Error> {
        match way {
            Way::Connections => self.connections().await,
            Way::Sessions => self.begin(OWN).await.map(drop),
            Way::Resumed => self.resumed().await,
            Way::Requests => self.requests().await,
            Way::IdleConnections => self.idle_connections().await,
            Way::StalledAnswers => self.stalled_answers().await,
            Way::UnreadUploads => self.unread_uploads().await,
            Way::WholeUploads => self.whole_uploads().await,
            Way::UnreadBodies => {
                self.unread(&[], 200, json!({ "url": self.endless(), "streamResponse": true })).await
            }
            Way::UnreadHttp2 => {
                let url = self.origins.http2.url("/endless");
                self.unread(OWN, 420, json!({ "url": url, "httpVersion": "2-prior-knowledge" })).await
            }
            Way::UnacknowledgedHeads => {
                self.unread(OWN, 600, json!({ "url": self.origins.heads.url("/") })).await
            }
            Way::Abandoned => self.abandoned().await,
            Way::FirstMessages => self.first_messages().await,
            Way::Messages => self.messages().await,
            Way::UnreadAnswers => self.unread_answers().await,
            Way::WrongTokens => {
                let _refused = self.open(Some("wrong")).await;
                self.open(None).await.map(drop)
            }
            Way::HalfUpgrades => self.half_upgrades().await,
            Way::ProxyHeaders => self.proxy_headers().await,
        }
    }

    fn endless(&self) -> String {
        self.origins.proper.url("/endless")
    }

    async fn connections(&self) -> Result<(), Error> {
        let mut held = Vec::new();
        while held.len() < MOST {
            held.extend(self.open(Some(&self.token)).await.ok());
            pause().await;
        }
        Ok(())
    }

    async fn resumed(&self) -> Result<(), Error> {
        let mut left = Vec::new();
        while let Ok((_, answer)) = self.initialize(json!({ "dialects": OWN })).await {
            left.push(answer["result"]["sessionId"].clone());
        }
        for attempt in 1.. {
            for session in &left {
                let params = json!({ "dialects": OWN, "resumeSessionId": session, "attempt": attempt });
                drop(self.initialize(params).await?);
                pause().await;
            }
            pause().await;
        }
        Ok(())
    }

    async fn requests(&self) -> Result<(), Error> {
        let mut held = JoinSet::new();
        let params = json!({ "method": "GET", "url": self.origins.silent.url("/") });
        while held.len() < MOST {
            if let Ok(mut socket) = self.begin(&[]).await {
                for id in 1..=1000 {
                    socket.ask(id, params.clone()).await?;
                }
                held.spawn(socket.drain());
            }
            pause().await;
        }
        Ok(())
    }

    async fn idle_connections(&self) -> Result<(), Error> {
        let mut socket = self.begin(&[]).await?;
        for at in 0..usize::from(u16::MAX) {
            let url = self.origins.another(at);
            socket.ask(at as u64 + 1, json!({ "method": "GET", "url": url })).await?;
            socket.text().await?;
        }
        Ok(())
    }

    async fn stalled_answers(&self) -> Result<(), Error> {
        let mut socket = self.begin(&[]).await?;
        let params = json!({ "method": "GET", "url": self.origins.stalling.url("/") });
        for id in 1.. {
            socket.ask(id, params.clone()).await?;
            if id > 40 {
                // One was refused.
                socket.text().await?;
            }
            pause().await;
        }
        Ok(())
    }

    async fn unread_uploads(&self) -> Result<(), Error> {
        let mut socket = self.begin(&[]).await?;
        for id in 1.. {
            let text =
                json!({ "method": "POST", "url": self.origins.deaf.url("/"), "requestId": id.to_string() });
            let text = text.to_string();
            let begun = text.strip_suffix('}').unwrap_or(&text);
            let begun =
                format!("{{\"id\":{id},\"method\":\"http/request\",\"params\":{begun},\"bodyBase64\":\"");
            socket.raw(&Frame::new(opcode::TEXT, begun).more().bytes()).await?;
            socket.raw(&LARGE).await?;
            socket.raw(&Frame::new(opcode::CONTINUATION, "\"}}").bytes()).await?;
            if id > 4 {
                socket.text().await?;
            }
        }
        Ok(())
    }

    /// Sends 24 bodies as fast as the executor takes them, and leaves them there for a while.
    async fn whole_uploads(&self) -> Result<(), Error> {
        const LENGTH: u64 = 46 * MIB;
        const PIECE: u64 = 64 * 1024;
        let (mut socket, answer) = self.initialize(json!({ "dialects": OWN })).await?;
        let window = answer["result"]["windowBytes"].as_u64().unwrap_or(PIECE);
        let body = json!({ "stream": true, "length": LENGTH, "whole": true });
        for id in 1..=24 {
            let url = self.origins.silent.url("/");
            socket.ask(id, json!({ "method": "POST", "url": url, "body": body })).await?;
        }
        // What was sent of each, and up to where it may be.
        let mut uploads: BTreeMap<u64, (u64, u64)> = (1..=24).map(|id| (id, (0, window))).collect();
        let until = tokio::time::Instant::now() + 4 * HOLD;
        loop {
            for (id, (sent, most)) in &mut uploads {
                while *sent < (*most).min(LENGTH) {
                    let length = PIECE.min(LENGTH - *sent);
                    let ends = u8::from(*sent + length == LENGTH);
                    let head = [&[2, ends][..], &id.to_be_bytes(), &sent.to_be_bytes()].concat();
                    socket.binary([head, vec![7; length as usize]].concat()).await?;
                    *sent += length;
                }
            }
            let Ok(text) = tokio::time::timeout_at(until, socket.text()).await else { return Ok(()) };
            let message: Value = serde_json::from_str(&text?).unwrap_or_default();
            let params = &message["params"];
            match (params["requestId"].as_u64(), params["offset"].as_u64(), params["final"].as_bool()) {
                (Some(id), Some(offset), None | Some(false)) => {
                    uploads.entry(id).and_modify(|(_, most)| *most = offset + window);
                }
                // It was refused, or is not wanted any more.
                (id, ..) => _ = uploads.remove(&id.or(message["id"].as_u64()).unwrap_or(0)),
            }
        }
    }

    /// Asks so often, and reads nothing.
    async fn unread(&self, dialects: &[&str], count: u64, mut params: Value) -> Result<(), Error> {
        let mut socket = self.begin(dialects).await?;
        params["method"] = json!("GET");
        for id in 1..=count {
            socket.ask(id, params.clone()).await?;
        }
        sleep(HOLD).await;
        Ok(())
    }

    async fn abandoned(&self) -> Result<(), Error> {
        let mut socket = self.begin(&[]).await?;
        for id in 1..=8 {
            let params = json!({ "method": "GET", "url": self.endless(), "streamResponse": true });
            socket.ask(id, params).await?;
        }
        for _ in 0..16 {
            socket.text().await?;
        }
        Ok(())
    }

    async fn first_messages(&self) -> Result<(), Error> {
        let mut socket = self.open(Some(&self.token)).await?;
        // Refused before it has come: the executor may be gone first.
        let _ = socket.raw(&ENDLESS[..128 * 1024]).await;
        socket.drain().await;
        Ok(())
    }

    async fn messages(&self) -> Result<(), Error> {
        let mut held = Vec::new();
        for _ in 0..8 {
            let mut socket = self.begin(&[]).await?;
            socket.raw(&ENDLESS).await?;
            held.push(socket);
        }
        sleep(HOLD).await;
        Ok(())
    }

    async fn unread_answers(&self) -> Result<(), Error> {
        let mut socket = self.begin(&[]).await?;
        let asking = async {
            for id in 1_u64.. {
                socket.send(&json!({ "id": id, "method": "environment/info", "params": {} })).await?;
            }
            Ok(())
        };
        timeout(4 * HOLD, asking).await.unwrap_or(Ok(()))
    }

    async fn half_upgrades(&self) -> Result<(), Error> {
        let mut held = Vec::new();
        while held.len() < MOST {
            let mut stream = TcpStream::connect(self.executor).await?;
            stream.write_all(b"GET / HTTP/1.1\r\nhost: executor\r\nupgrade: websocket\r\n").await?;
            held.push(stream);
            pause().await;
        }
        Ok(())
    }

    async fn proxy_headers(&self) -> Result<(), Error> {
        let mut stream = TcpStream::connect(self.executor).await?;
        stream.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n").await?;
        let _ = stream.read_to_end(&mut Vec::new()).await?;
        Ok(())
    }
}
