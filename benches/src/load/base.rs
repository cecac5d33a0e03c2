//! Through an executor, in the base dialect: one connection, as many calls on it as wanted, one task.
//!
//! It does as little as a client can: body bytes are counted, and decoded only to check the first answer. So its own
//! share of the machine is small and the same for every executor.

use super::{Call, Outcome, Pace, Stop};
use crate::{Result, origin};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use http::{HeaderValue, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{collections::HashMap, time::Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, Utf8Bytes, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

const MESSAGE_BYTES: usize = 64 << 20;

/// A connection to an executor, past its handshake.
pub struct BaseClient {
    socket: WebSocketStream<TcpStream>,
    last_id: u64,
    active: HashMap<u64, Active>,
}

struct Active {
    started: Instant,
    streamed: bool,
    bytes: u64,
}

/// What came of one message.
enum Event {
    /// The call is over; so many body bytes came.
    Ended(Active),
    /// A streamed call's head came.
    Head,
    /// Body bytes came.
    Body,
    /// Nothing about a call.
    Other,
}

impl BaseClient {
    /// Connects to `authority` (`HOST:PORT`) and initializes.
    pub async fn connect(authority: &str) -> Result<Self> {
        Self::connect_as(authority, None).await
    }

    /// The same with a token.
    pub async fn connect_as(authority: &str, token: Option<&str>) -> Result<Self> {
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES))
            .max_frame_size(Some(MESSAGE_BYTES));
        let mut request = format!("ws://{authority}/").into_client_request()?;
        if let Some(token) = token {
            let bearer = HeaderValue::try_from(format!("Bearer {token}"))?;
            request.headers_mut().insert(header::AUTHORIZATION, bearer);
        }
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
        let mut client = Self { socket, last_id: 0, active: HashMap::new() };
        client
            .send(r#"{"id":0,"method":"initialize","params":{"clientName":"afield-bench"}}"#.into())
            .await?;
        let answer = client.receive().await?;
        if !answer.as_str().contains(r#""sessionId""#) {
            return Err(format!("initialize was answered: {}", answer.as_str()).into());
        }
        client.send(r#"{"method":"initialized","params":{}}"#.into()).await?;
        Ok(client)
    }

    /// Makes `call` over and over, `parallel` at a time.
    pub async fn run(&mut self, call: &Call, parallel: usize, stop: Stop) -> Result<Outcome> {
        let prepared = Prepared::new(call);
        let mut pace = Pace::new(stop);
        loop {
            while self.active.len() < parallel && pace.start_one() {
                self.start(&prepared).await?;
            }
            if self.active.is_empty() {
                return Ok(pace.outcome());
            }
            self.socket.flush().await?;
            let mut message = Some(self.receive().await?);
            // All that has come, before anything is sent: what then goes out goes in one write.
            while let Some(one) = message {
                if let Event::Ended(done) = self.handle(&one, false)? {
                    if done.bytes != call.expect {
                        return Err(format!("{} bytes came, not {}", done.bytes, call.expect).into());
                    }
                    pace.ended(done.started, done.bytes);
                }
                message = self.receive().now_or_never().transpose()?;
            }
        }
    }

    /// Makes `call` once and checks every byte of its answer.
    pub async fn check(&mut self, call: &Call) -> Result<()> {
        self.start(&Prepared::new(call)).await?;
        self.socket.flush().await?;
        loop {
            let message = self.receive().await?;
            match self.handle(&message, true)? {
                Event::Ended(done) if done.bytes == call.expect => return Ok(()),
                Event::Ended(done) => {
                    return Err(format!("{} bytes came, not {}", done.bytes, call.expect).into());
                }
                _ => {}
            }
        }
    }

    /// Opens `count` streams and leaves them open, each with its head and first bytes received.
    pub async fn hold(&mut self, call: &Call, count: usize) -> Result<()> {
        const OPENING: usize = 32;
        let prepared = Prepared::new(call);
        let (mut started, mut heads, mut bodies) = (0, 0, 0);
        while heads < count || bodies < count {
            while started < count && started - heads.min(bodies) < OPENING {
                self.start(&prepared).await?;
                started += 1;
            }
            self.socket.flush().await?;
            let message = self.receive().await?;
            match self.handle(&message, false)? {
                Event::Head => heads += 1,
                Event::Body => bodies += 1,
                Event::Ended(_) => return Err("a stream that should stay open ended".into()),
                Event::Other => {}
            }
        }
        Ok(())
    }

    /// Begins a call. Its message goes out with the next flush.
    async fn start(&mut self, prepared: &Prepared) -> Result<()> {
        self.last_id += 1;
        let started = Instant::now();
        let streamed = prepared.streamed;
        self.active.insert(self.last_id, Active { started, streamed, bytes: 0 });
        Ok(self.socket.feed(Message::text(prepared.message(self.last_id))).await?)
    }

    async fn send(&mut self, text: String) -> Result<()> {
        Ok(self.socket.send(Message::text(text)).await?)
    }

    async fn receive(&mut self) -> Result<Utf8Bytes> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(frame))) => {
                    return Err(format!("the executor closed: {frame:?}").into());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err("the executor closed the connection".into()),
            }
        }
    }

    fn handle(&mut self, message: &Utf8Bytes, check: bool) -> Result<Event> {
        let incoming: Incoming<'_> = serde_json::from_str(message.as_str())?;
        if let Some(error) = incoming.error {
            return Err(format!("a call failed: {error}").into());
        }
        if let (Some(id), Some(result)) = (incoming.id, incoming.result) {
            return self.handle_result(id, &result, check);
        }
        match incoming.params {
            Some(delta) => self.handle_delta(&delta, check),
            None => Ok(Event::Other),
        }
    }

    fn handle_result(&mut self, id: u64, result: &Answer<'_>, check: bool) -> Result<Event> {
        if !(200..300).contains(&result.status) {
            return Err(format!("a call was answered with status {}", result.status).into());
        }
        if self.active.get(&id).is_some_and(|active| active.streamed) {
            return Ok(Event::Head);
        }
        let mut done = self.active.remove(&id).ok_or("an answer to an unknown call")?;
        done.bytes = body_bytes(result.body, 0, check)?;
        Ok(Event::Ended(done))
    }

    fn handle_delta(&mut self, delta: &Delta<'_>, check: bool) -> Result<Event> {
        if let Some(error) = &delta.error {
            return Err(format!("a stream failed: {error}").into());
        }
        let id: u64 = delta.request_id.parse()?;
        let active = self.active.get_mut(&id).ok_or("body bytes of an unknown call")?;
        active.bytes += body_bytes(delta.body, active.bytes, check)?;
        if !delta.done {
            return Ok(Event::Body);
        }
        self.active.remove(&id).map(Event::Ended).ok_or_else(|| "two ends of one call".into())
    }
}

/// A call's message, all but its id, which stands in it twice.
struct Prepared {
    streamed: bool,
    params: String,
}

impl Prepared {
    fn new(call: &Call) -> Self {
        let Call { method, url, streamed, .. } = call;
        let body = match call.body.as_ref() {
            [] => "null".to_owned(),
            body => format!("\"{}\"", BASE64.encode(body)),
        };
        let params = format!(
            r#","method":"http/request","params":{{"method":"{method}","url":"{url}","bodyBase64":{body},"#
        ) + &format!(r#""streamResponse":{streamed},"requestId":""#);
        Self { streamed: *streamed, params }
    }

    fn message(&self, id: u64) -> String {
        let id = id.to_string();
        [r#"{"id":"#, &id, &self.params, &id, r#""}}"#].concat()
    }
}

/// A response, or the notification of body bytes.
#[derive(Deserialize)]
struct Incoming<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    result: Option<Answer<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<Delta<'a>>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    status: u16,
    #[serde(rename = "bodyBase64", default)]
    body: &'a str,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(rename = "requestId")]
    request_id: &'a str,
    #[serde(rename = "deltaBase64", default)]
    body: &'a str,
    done: bool,
    error: Option<String>,
}

/// How many bytes `base64` stands for. With `check`, that they are the origin's, starting at `offset`.
fn body_bytes(base64: &str, offset: u64, check: bool) -> Result<u64> {
    if check {
        let bytes = BASE64.decode(base64)?;
        if !bytes.iter().zip(offset..).all(|(byte, at)| *byte == origin::byte_at(at)) {
            return Err("a body differs from the origin's".into());
        }
    }
    let padding = base64.bytes().rev().take_while(|byte| *byte == b'=').count();
    Ok((base64.len() / 4 * 3 - padding) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that counting without decoding agrees with decoding, for every padding.
    #[test]
    fn counted_bytes_are_the_decoded_ones() {
        for len in 0..=7_u64 {
            let bytes: Vec<u8> = (0..len).map(origin::byte_at).collect();
            let counted = body_bytes(&BASE64.encode(bytes), 0, true).unwrap();
            assert_eq!(counted, len);
        }
    }
}
