use super::record::{Connection, find};
use super::script::{Pace, Script, Step, Until};
use crate::Gate;
use crate::origin::Ending;
use crate::socket::Socket;
use bytes::Bytes;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

/// How a script leaves its connection.
enum Exit {
    Close,
    Truncate,
    Reset,
    Gone(Ending),
}

/// Plays `script` on `socket`, recording into `connection`; says how the connection ended.
pub(super) async fn play(socket: Socket, script: &Script, connection: &Connection) -> Ending {
    let (mut reader, mut writer) = tokio::io::split(socket);
    let deaf = Gate::new();
    let exit = {
        let mut stage = Stage { writer: &mut writer, connection, cursor: 0, deaf: &deaf };
        let mut reading = Box::pin(read(&mut reader, connection, &deaf));
        let mut playing = Box::pin(stage.run(script));
        tokio::select! {
            biased;
            exit = &mut playing => exit,
            gone = &mut reading => match gone {
                // A script may still want to send to a peer that only finished its own sending.
                Ending::PeerClosed if script.goes_on_after_end() => playing.await,
                gone => Exit::Gone(gone),
            },
        }
    };
    let mut socket = reader.unsplit(writer);
    match exit {
        Exit::Close => {
            // A peer that is gone already cannot be told goodbye.
            let _ = socket.shutdown().await;
            socket.cut();
        }
        Exit::Truncate => socket.cut(),
        Exit::Reset => socket.reset(),
        Exit::Gone(ending) => return ending,
    }
    Ending::OriginClosed
}

impl Script {
    fn goes_on_after_end(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Expect(Until::End)))
    }
}

async fn read(reader: &mut ReadHalf<Socket>, connection: &Connection, deaf: &Gate) -> Ending {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            () = deaf.wait() => std::future::pending().await,
            read = reader.read(&mut buffer) => read,
        };
        let ending = match read {
            Ok(0) => Ending::PeerClosed,
            Ok(count) => {
                connection.record(&buffer[..count]);
                continue;
            }
            // A peer that leaves without close_notify has closed all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ending::PeerClosed,
            Err(_) => Ending::PeerReset,
        };
        connection.peer_finished();
        return ending;
    }
}

struct Stage<'a> {
    writer: &'a mut WriteHalf<Socket>,
    connection: &'a Connection,
    /// How much of what was received earlier expectations have taken.
    cursor: usize,
    deaf: &'a Gate,
}

impl Stage<'_> {
    async fn run(&mut self, script: &Script) -> Exit {
        loop {
            for step in &script.steps {
                match step {
                    Step::Close => return Exit::Close,
                    Step::Truncate => return Exit::Truncate,
                    Step::Reset => return Exit::Reset,
                    Step::Again => break,
                    step => match self.perform(step).await {
                        Ok(true) => {}
                        Ok(false) => return Exit::Gone(Ending::PeerClosed),
                        Err(_) => return Exit::Gone(Ending::PeerReset),
                    },
                }
            }
            if !script.steps.iter().any(|step| matches!(step, Step::Again)) {
                return Exit::Close;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Performs one step that leaves the connection open; false when the peer will send no more and was expected to.
    async fn perform(&mut self, step: &Step) -> io::Result<bool> {
        match step {
            Step::Expect(until) => return Ok(self.expect(until).await),
            Step::Send(bytes) => self.send(bytes).await?,
            Step::Drip { bytes, size, pace } => {
                for piece in bytes.chunks(*size) {
                    match pace {
                        Pace::Every(every) => tokio::time::sleep(*every).await,
                        Pace::Gate(gate) => gate.wait().await,
                    }
                    self.send(piece).await?;
                }
            }
            Step::Wait(gate) => gate.wait().await,
            Step::Deaf => self.deaf.open(),
            Step::Flood(bytes) => {
                let many = Bytes::from(bytes.repeat((16 * 1024 / bytes.len().max(1)).max(1)));
                loop {
                    self.send(&many).await?;
                    tokio::task::yield_now().await;
                }
            }
            Step::FinishWriting => self.writer.shutdown().await?,
            Step::Hang => std::future::pending().await,
            Step::Close | Step::Truncate | Step::Reset | Step::Again => {}
        }
        Ok(true)
    }

    async fn expect(&mut self, until: &Until) -> bool {
        let start = self.cursor;
        let end = match until {
            Until::End => {
                self.connection.end_of_input().await;
                return true;
            }
            Until::Head => self.connection.find(|bytes| after(bytes, start, head_end)).await,
            Until::Request => self.connection.find(|bytes| after(bytes, start, request_end)).await,
            Until::Text(text) => {
                self.connection.find(|bytes| after(bytes, start, |rest| find(rest, text))).await
            }
            Until::Count(count) => {
                self.connection.find(|bytes| (bytes.len() >= start + count).then_some(start + count)).await
            }
        };
        self.cursor = end.unwrap_or(start);
        end.is_some()
    }

    async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.writer.write(bytes).await?;
            self.connection.sent_more(count);
            bytes = &bytes[count..];
        }
        self.writer.flush().await
    }
}

fn after(bytes: &[u8], start: usize, look: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
    look(&bytes[start..]).map(|end| start + end)
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    find(bytes, b"\r\n\r\n")
}

fn request_end(bytes: &[u8]) -> Option<usize> {
    let head = head_end(bytes)?;
    let length = bytes[..head].split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let end = head + length.unwrap_or(0);
    (bytes.len() >= end).then_some(end)
}
