use crate::{
    checks::{Outcome, Stop},
    context::Context,
    upgrade::Upgrade,
};
use afield_transport::NetStream;
use bytes::{Buf, BytesMut};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

pub(crate) const TEXT: u8 = 1;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A WebSocket whose frames a check makes itself, right or wrong.
pub(crate) struct Frames {
    stream: NetStream,
    read: BytesMut,
    patience: Duration,
}

impl Frames {
    pub async fn open(context: &Context) -> Result<Self, Stop> {
        let answered = Upgrade::proper(context).ask(context).await?;
        if answered.status != 101 {
            return Err(Stop::Failed(format!("a proper upgrade was answered {}", answered.status)));
        }
        Ok(Self { stream: answered.stream, read: answered.read_ahead, patience: context.patience })
    }

    /// For a check of what only time brings.
    pub fn wait_longer(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// A frame as a client sends it: masked, with a mask of zeros.
    pub async fn send(&mut self, opcode: u8, last: bool, payload: &[u8]) -> Outcome {
        let mut frame = header(opcode, last, payload.len() as u64, true);
        frame.extend_from_slice(payload);
        self.send_raw(&frame).await
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) -> Outcome {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(self.patience, sent).await {
            Ok(Ok(()) | Err(_)) => Ok(()),
            Err(_) => Err(Stop::Failed("the executor does not read".to_owned())),
        }
    }

    /// The next frame: its opcode, whether it is the last of its message, and its payload.
    pub async fn next(&mut self) -> Result<(u8, bool, Vec<u8>), Stop> {
        let frame = timeout(self.patience, self.read_frame()).await;
        frame
            .map_err(|_| Stop::Failed("no frame came in time".to_owned()))?
            .map_err(|error| Stop::Failed(format!("no frame came: {error}")))
    }

    async fn read_frame(&mut self) -> std::io::Result<(u8, bool, Vec<u8>)> {
        self.need(2).await?;
        let (first, second) = (self.read[0], self.read[1]);
        let extra = match second & 127 {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        self.need(2 + extra).await?;
        self.read.advance(2);
        let length = match extra {
            0 => usize::from(second & 127),
            extra => usize::try_from(self.read.get_uint(extra)).unwrap_or(usize::MAX),
        };
        if length > 1 << 26 {
            return Err(std::io::Error::other("the frame is larger than any message of the check"));
        }
        self.need(length).await?;
        Ok((first & 15, first & 128 != 0, self.read.split_to(length).to_vec()))
    }

    async fn need(&mut self, bytes: usize) -> std::io::Result<()> {
        while self.read.len() < bytes {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// The next message in one piece; pings and pongs on the way are dropped.
    pub async fn message(&mut self) -> Result<Vec<u8>, Stop> {
        let mut message = Vec::new();
        loop {
            match self.next().await? {
                (CONTINUATION | TEXT | 2, last, payload) => {
                    message.extend(payload);
                    if last {
                        return Ok(message);
                    }
                }
                (CLOSE, ..) => return Err(Stop::Failed("the connection was closed".to_owned())),
                _ => {}
            }
        }
    }

    /// Waits for the close frame, and fails the check unless it has this code.
    pub async fn expect_close(&mut self, code: u16) -> Outcome {
        loop {
            let (opcode, _, payload) = self
                .next()
                .await
                .map_err(|stop| stop.while_waiting_for(&format!("a close frame with code {code}")))?;
            if opcode != CLOSE {
                continue;
            }
            let got = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
            return match got == Some(code) {
                true => Ok(()),
                false => Err(Stop::Failed(format!("close code {code} was to come, and {got:?} did"))),
            };
        }
    }
}

/// The header of a frame.
pub(crate) fn header(opcode: u8, last: bool, length: u64, masked: bool) -> Vec<u8> {
    let mut header = vec![opcode | if last { 128 } else { 0 }];
    let mask = if masked { 128 } else { 0 };
    match length {
        0..126 => header.push(length as u8 | mask),
        126..65_536 => {
            header.push(126 | mask);
            header.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            header.push(127 | mask);
            header.extend_from_slice(&length.to_be_bytes());
        }
    }
    if masked {
        header.extend_from_slice(&[0; 4]);
    }
    header
}
