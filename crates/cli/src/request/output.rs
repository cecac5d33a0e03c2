use super::plan::Target;
use crate::{ExitCode, failure::Failure};
use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    fs::File,
    io::{self, Write, stdout},
    os::fd::AsFd,
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
    pub fn open(target: Target) -> Self {
        let (pieces, mut queue) = mpsc::channel::<Bytes>(WAITING);
        let (report, thread) = oneshot::channel();
        std::thread::spawn(move || {
            let result = (|| {
                let mut file = None;
                while let Some(piece) = queue.blocking_recv() {
                    if file.is_none() {
                        file = Some(open_file(&target)?);
                    }
                    if let Some(file) = &mut file {
                        write_all(file, &piece)?;
                    }
                }
                Ok(())
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

fn open_file(target: &Target) -> io::Result<File> {
    match target {
        Target::Stdout { .. } => Ok(File::from(stdout().as_fd().try_clone_to_owned()?)),
        Target::File(path) => File::create(path),
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

/// Writes something small that is whole: a head, a summary.
pub(crate) fn write_whole(target: &Target, bytes: &[u8]) -> Result<(), Failure> {
    open_file(target)
        .and_then(|mut file| write_all(&mut file, bytes))
        .map_err(|error| cannot_write(target, &error))
}

/// Adds something small to what [`write_whole`] wrote.
pub(crate) fn append(target: &Target, bytes: &[u8]) -> Result<(), Failure> {
    let file = match target {
        Target::Stdout { .. } => open_file(target),
        Target::File(path) => File::options().append(true).create(true).open(path),
    };
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
        Sink::open(Target::File(path.clone())).finish().await.unwrap();
        assert!(!path.exists());
        let mut sink = Sink::open(Target::File(path.clone()));
        for piece in ["a", "", "bc"] {
            sink.write(Bytes::from_static(piece.as_bytes())).await.unwrap();
        }
        sink.finish().await.unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"abc");
    }

    /// Proves that a full disk is noticed also when nothing more is to be written.
    #[tokio::test]
    async fn case_117_a_full_disk_is_noticed_without_another_write() {
        let mut sink = Sink::open(Target::File("/dev/full".into()));
        sink.write(Bytes::from_static(b"x")).await.unwrap();
        let failure = sink.broken().await;
        assert_eq!(failure.code, ExitCode::Write);
        assert!(failure.message.contains("/dev/full"), "{}", failure.message);
    }
}
