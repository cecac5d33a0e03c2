use super::{Cleaner, JsonCleaner, Stream};
use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::AsyncWrite;

/// Standard output as a file of its own, for whoever writes it from a thread; and what cleans a peer's bytes on it, where
/// a terminal shows them.
pub(crate) fn stdout_file() -> io::Result<(File, Option<Cleaner>)> {
    let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    Ok((file, Stream::Out.is_terminal().then(Cleaner::default)))
}

/// Standard error for the log, whose lines are written whole and in our colours.
pub(crate) fn log_sink() -> impl Write + Send + 'static {
    struct Log(Option<Cleaner>);

    impl Write for Log {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            match &mut self.0 {
                Some(cleaner) => {
                    let mut cleaned = cleaner.push(line);
                    cleaned.extend(cleaner.finish());
                    io::stderr().write_all(&cleaned)?;
                    Ok(line.len())
                }
                None => io::stderr().write(line),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            io::stderr().flush()
        }
    }

    Log(Stream::Err.is_terminal().then(Cleaner::with_colours))
}

/// Standard error for lines of JSON, each written whole.
pub(crate) fn json_sink() -> impl Write + Send + 'static {
    struct Json(Option<JsonCleaner>);

    impl Write for Json {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            match &mut self.0 {
                Some(cleaner) => {
                    io::stderr().write_all(&cleaner.push(line))?;
                    Ok(line.len())
                }
                None => io::stderr().write(line),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            io::stderr().flush()
        }
    }

    Json(Stream::Err.is_terminal().then(JsonCleaner::default))
}

/// Standard output for messages in JSON, which another program reads; a terminal gets them cleaned.
pub(crate) struct JsonOutput {
    out: tokio::io::Stdout,
    cleaner: Option<JsonCleaner>,
    /// Cleaned, and not yet written.
    pending: Vec<u8>,
    written: usize,
}

impl JsonOutput {
    pub fn new() -> Self {
        let cleaner = Stream::Out.is_terminal().then(JsonCleaner::default);
        Self { out: tokio::io::stdout(), cleaner, pending: Vec::new(), written: 0 }
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.pending.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.out).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.pending.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for JsonOutput {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.cleaner.is_none() {
            return Pin::new(&mut self.out).poll_write(cx, bytes);
        }
        ready!(self.poll_pending(cx))?;
        if let Some(cleaner) = &mut self.cleaner {
            self.pending = cleaner.push(bytes);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.out).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.out).poll_shutdown(cx)
    }
}
