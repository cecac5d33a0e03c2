use super::{file_plan::FilePlan, plan::Target};
use crate::{
    ExitCode,
    console::{Cleaner, stdout_file},
    failure::Failure,
};
use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    fs::File,
    io::{self, Write},
};
use tokio::sync::{mpsc, oneshot};

/// Pieces that may wait to be written.
const WAITING: usize = 8;

/// Where the output goes, written by a thread of its own: a reader that does not read holds up neither a signal nor a
/// deadline. Every piece is written as it comes; nothing is held back.
pub(crate) struct Sink {
    pieces: Option<mpsc::Sender<Bytes>>,
    thread: oneshot::Receiver<Result<(), Failure>>,
    outcome: Option<Result<(), Failure>>,
}

impl Sink {
    /// Opens the target with the first piece, so that a request that fails leaves no file behind.
    pub fn open(target: Target, file: FilePlan) -> Self {
        let (pieces, mut queue) = mpsc::channel::<Bytes>(WAITING);
        let (report, thread) = oneshot::channel();
        std::thread::spawn(move || {
            let result = (|| {
                let mut output = None;
                while let Some(piece) = queue.blocking_recv() {
                    let output = match &mut output {
                        Some(output) => output,
                        none => none.insert(Output::open(&target, &file)?),
                    };
                    output.write(&piece)?;
                }
                output.map_or(Ok(()), Output::finish)
            })();
            let result = result.map_err(|error: io::Error| cannot_write(&target, &error));
            drop(queue);
            let _ = report.send(result);
        });
        Self { pieces: Some(pieces), thread, outcome: None }
    }

    /// Hands over a piece, as soon as there is room. An empty piece makes sure that the file exists.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        match &self.pieces {
            Some(pieces) if pieces.send(piece).await.is_ok() => Ok(()),
            _ => Err(self.broken().await),
        }
    }

    /// Waits until the output can no longer be written: its reader has gone, the disk is full. Cancel safe.
    pub async fn broken(&mut self) -> Failure {
        match self.outcome().await {
            Err(failure) => failure,
            Ok(()) => Failure::new(ExitCode::Internal, "the output was closed before its end"),
        }
    }

    /// Waits until all is written.
    pub async fn finish(mut self) -> Result<(), Failure> {
        self.pieces = None;
        self.outcome().await
    }

    async fn outcome(&mut self) -> Result<(), Failure> {
        if self.outcome.is_none() {
            let gone = |_| Err(Failure::new(ExitCode::Internal, "the output thread ended"));
            self.outcome = Some((&mut self.thread).await.unwrap_or_else(gone));
        }
        self.outcome.clone().unwrap_or(Ok(()))
    }
}

fn cannot_write(target: &Target, error: &io::Error) -> Failure {
    match target {
        Target::Stdout { .. } => {
            Failure::new(ExitCode::Write, format!("cannot write to standard output: {error}"))
        }
        Target::File(path) => {
            Failure::new(ExitCode::Write, format!("cannot write {}: {error}", path.display()))
        }
    }
}

/// A target that is open, and what cleans a peer's bytes on it, where a terminal shows them.
struct Output {
    file: File,
    cleaner: Option<Cleaner>,
}

impl Output {
    fn open(target: &Target, plan: &FilePlan) -> io::Result<Self> {
        let (file, cleaner) = match target {
            Target::Stdout { anyway } => {
                let (file, cleaner) = stdout_file()?;
                (file, cleaner.filter(|_| !anyway))
            }
            Target::File(path) => (plan.open(path)?, None),
        };
        Ok(Self { file, cleaner })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.cleaner {
            Some(cleaner) => write_all(&mut self.file, &cleaner.push(bytes)),
            None => write_all(&mut self.file, bytes),
        }
    }

    fn finish(mut self) -> io::Result<()> {
        match &mut self.cleaner {
            Some(cleaner) => write_all(&mut self.file, &cleaner.finish()),
            None => Ok(()),
        }
    }
}

/// Writes all of `bytes`, also to a descriptor that another process has made non-blocking.
fn write_all(file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&*file, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes a head that is whole. A terminal is shown it cleaned, also where it would be shown a body anyway.
pub(crate) fn write_head(target: &Target, bytes: &[u8]) -> Result<(), Failure> {
    let shown = match target {
        Target::Stdout { .. } => &Target::Stdout { anyway: false },
        Target::File(_) => target,
    };
    Output::open(shown, &FilePlan::default())
        .and_then(|mut output| output.write(bytes).and_then(|()| output.finish()))
        .map_err(|error| cannot_write(target, &error))
}

/// Adds fields to a head that [`write_head`] wrote: trailers.
pub(crate) fn append_to_head(target: &Target, bytes: &[u8]) -> Result<(), Failure> {
    let Target::File(path) = target else { return write_head(target, bytes) };
    let file = File::options().append(true).create(true).open(path);
    file.and_then(|mut file| write_all(&mut file, bytes)).map_err(|error| cannot_write(target, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the file appears with the first piece and holds every piece in order.
    #[tokio::test]
    async fn a_file_is_created_with_the_first_piece() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        Sink::open(Target::File(path.clone()), FilePlan::default()).finish().await.unwrap();
        assert!(!path.exists());
        let mut sink = Sink::open(Target::File(path.clone()), FilePlan::default());
        for piece in ["a", "", "bc"] {
            sink.write(Bytes::from_static(piece.as_bytes())).await.unwrap();
        }
        sink.finish().await.unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"abc");
    }

    /// Proves that a full disk is noticed also when nothing more is to be written.
    #[tokio::test]
    async fn case_117_a_full_disk_is_noticed_without_another_write() {
        let mut sink = Sink::open(Target::File("/dev/full".into()), FilePlan::default());
        sink.write(Bytes::from_static(b"x")).await.unwrap();
        let failure = sink.broken().await;
        assert_eq!(failure.code, ExitCode::Write);
        assert!(failure.message.contains("/dev/full"), "{}", failure.message);
    }
}
