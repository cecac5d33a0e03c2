use super::{form::Part, plan::BodyPlan, progress::Transfer, source::Source};
use crate::{ExitCode, failure::Failure};
use afield_exchange::{BodyError, RequestBody};
use bytes::Bytes;
use futures_core::Stream;
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek},
    os::{fd::AsFd, unix::fs::FileExt},
    pin::Pin,
    sync::{Arc, OnceLock, atomic::Ordering},
    task::{Context, Poll, ready},
    thread,
};
use tokio::sync::mpsc;

/// Bytes of one read.
const PIECE: usize = 64 * 1024;
/// Pieces that may wait to be sent.
const WAITING: usize = 4;
/// A body up to this size is read before it is sent: its length is announced and a redirect may repeat it.
const READ_FIRST: usize = 1024 * 1024;

/// Why a body could not be read, if it could not: the request then fails for that reason and no other.
pub(crate) type ReadFailure = Arc<OnceLock<Failure>>;

/// Opens the body and starts to read it.
pub(crate) async fn open(
    plan: &BodyPlan,
    transfer: &Arc<Transfer>,
    failure: &ReadFailure,
) -> Result<RequestBody, Failure> {
    let (source, measured) = match plan {
        BodyPlan::Empty => return Ok(RequestBody::Empty),
        BodyPlan::Bytes(bytes) => return Ok(RequestBody::Bytes(bytes.clone())),
        BodyPlan::Source { source, measured } => (source.clone(), *measured),
        BodyPlan::Parts(parts) => {
            let mut inputs = VecDeque::new();
            for part in parts {
                inputs.push_back(match part {
                    Part::Bytes(bytes) => Input::Memory(bytes.clone()),
                    Part::File(path) => {
                        let source = Source::File(path.clone());
                        Input::open(&source).map_err(|error| cannot_read(&source, &error))?
                    }
                });
            }
            return begin(Input::Several(inputs), Source::Form, true, transfer, failure).await;
        }
    };
    let input = Input::open(&source).map_err(|error| cannot_read(&source, &error))?;
    begin(input, source, measured, transfer, failure).await
}

/// Reads as much as has to be read before the rest is sent.
async fn begin(
    input: Input,
    source: Source,
    measured: bool,
    transfer: &Arc<Transfer>,
    failure: &ReadFailure,
) -> Result<RequestBody, Failure> {
    let length = input.length().filter(|_| measured);
    let mut pieces = spawn_reader(input, length);
    let mut first = Vec::new();
    let mut size = 0;
    while measured && length.is_none_or(|length| length <= READ_FIRST as u64) && size <= READ_FIRST {
        match pieces.recv().await {
            Some(Ok(piece)) => {
                size += piece.len();
                first.push(piece);
            }
            Some(Err(error)) => return Err(cannot_read(&source, &error)),
            None => return Ok(RequestBody::Bytes(first.concat().into())),
        }
    }
    if let Some(length) = length {
        transfer.upload_length.store(length, Ordering::Relaxed);
    }
    let stream = Pieces {
        first: first.into_iter(),
        rest: pieces,
        source,
        transfer: transfer.clone(),
        failure: failure.clone(),
    };
    Ok(RequestBody::Stream { length, stream: Box::pin(stream) })
}

fn cannot_read(source: &Source, error: &io::Error) -> Failure {
    Failure::new(ExitCode::Read, format!("cannot read {source}: {error}"))
}

/// Whether the body can be produced a second time, which takes a regular file.
pub(crate) fn can_be_read_again(plan: &BodyPlan) -> bool {
    match plan {
        BodyPlan::Empty | BodyPlan::Bytes(_) => true,
        BodyPlan::Source { source, .. } => is_regular(source),
        BodyPlan::Parts(parts) => parts.iter().all(|part| match part {
            Part::Bytes(_) => true,
            Part::File(path) => is_regular(&Source::File(path.clone())),
        }),
    }
}

fn is_regular(source: &Source) -> bool {
    matches!(Input::open(source), Ok(Input::Regular { .. }))
}

/// What a body is read from.
enum Input {
    /// A regular file: read by position, so that reading it once more, also as standard input, begins where it did before.
    Regular {
        file: File,
        at: u64,
        left: u64,
    },
    /// What can be read once.
    Passing(File),
    Memory(Bytes),
    Several(VecDeque<Input>),
}

impl Input {
    fn open(source: &Source) -> io::Result<Self> {
        let mut file = match source {
            Source::Stdin => File::from(io::stdin().as_fd().try_clone_to_owned()?),
            Source::File(path) => File::open(path)?,
            Source::Form => return Ok(Self::Memory(Bytes::new())),
        };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !metadata.is_file() {
            return Ok(Self::Passing(file));
        }
        let at = file.stream_position()?;
        Ok(Self::Regular { file, at, left: metadata.len().saturating_sub(at) })
    }

    /// How many bytes are left, where that is known.
    fn length(&self) -> Option<u64> {
        match self {
            Self::Regular { left, .. } => Some(*left),
            Self::Passing(_) => None,
            Self::Memory(bytes) => Some(bytes.len() as u64),
            Self::Several(inputs) => inputs.iter().map(Self::length).sum(),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Regular { file, at, .. } => {
                let read = file.read_at(buffer, *at)?;
                *at += read as u64;
                Ok(read)
            }
            Self::Passing(file) => file.read(buffer),
            Self::Memory(bytes) => {
                let piece = bytes.split_to(bytes.len().min(buffer.len()));
                buffer[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
            Self::Several(inputs) => {
                while let Some(input) = inputs.front_mut() {
                    match input.read(buffer)? {
                        0 => drop(inputs.pop_front()),
                        read => return Ok(read),
                    }
                }
                Ok(0)
            }
        }
    }
}

/// Reads on a thread of its own, so that a source that blocks holds up nothing else. The thread ends with the receiver
/// or, blocked, with the process.
fn spawn_reader(mut input: Input, length: Option<u64>) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    thread::spawn(move || {
        // What is appended while a file is sent is not part of the announced length.
        let mut left = length.unwrap_or(u64::MAX);
        let mut buffer = vec![0; PIECE];
        while left > 0 {
            let room = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let piece = match input.read(&mut buffer[..room]) {
                Ok(0) => return,
                Ok(read) => {
                    left -= read as u64;
                    Ok(Bytes::copy_from_slice(&buffer[..read]))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = piece.is_err();
            if sender.blocking_send(piece).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// The body as a stream: what was read first, then what is read now.
struct Pieces {
    first: std::vec::IntoIter<Bytes>,
    rest: mpsc::Receiver<io::Result<Bytes>>,
    source: Source,
    transfer: Arc<Transfer>,
    failure: ReadFailure,
}

impl Stream for Pieces {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = match self.first.next() {
            Some(piece) => Some(Ok(piece)),
            None => ready!(self.rest.poll_recv(cx)),
        };
        Poll::Ready(next.map(|piece| match piece {
            Ok(piece) => {
                self.transfer.uploaded.fetch_add(piece.len() as u64, Ordering::Relaxed);
                Ok(piece)
            }
            Err(error) => {
                let _ = self.failure.set(cannot_read(&self.source, &error));
                Err(error.into())
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn opened(path: std::path::PathBuf, measured: bool) -> RequestBody {
        let plan = BodyPlan::Source { source: Source::File(path), measured };
        open(&plan, &Arc::default(), &Arc::default()).await.unwrap()
    }

    /// Proves that a small file is announced and repeatable, a large one announced and streamed, and that one which is
    /// not to be measured is streamed without a length.
    #[tokio::test]
    async fn small_files_are_read_first_and_large_ones_streamed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        std::fs::write(&file, vec![7; READ_FIRST]).unwrap();
        assert!(
            matches!(opened(file.clone(), true).await, RequestBody::Bytes(bytes) if bytes.len() == READ_FIRST)
        );
        assert!(matches!(opened(file.clone(), false).await, RequestBody::Stream { length: None, .. }));
        std::fs::write(&file, vec![7; READ_FIRST + 1]).unwrap();
        let RequestBody::Stream { length, mut stream } = opened(file, true).await else { panic!() };
        assert_eq!(length, Some(READ_FIRST as u64 + 1));
        let mut total = 0;
        while let Some(piece) = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
            total += piece.unwrap().len();
        }
        assert_eq!(total, READ_FIRST + 1);
    }

    /// Proves that a file which is not there, or is a directory, is a read failure by name.
    #[tokio::test]
    async fn an_unreadable_file_is_a_read_failure() {
        for path in ["/nonexistent/file", "/"] {
            let plan = BodyPlan::Source { source: Source::File(path.into()), measured: true };
            let failure = open(&plan, &Arc::default(), &Arc::default()).await.unwrap_err();
            assert_eq!(failure.code, ExitCode::Read);
            assert!(failure.message.contains(path), "{}", failure.message);
        }
    }
}
