use socket2::SockRef;
use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection that is read, written and closed as an HTTP exchange needs it.
///
/// - Its first read after [`Control::probe`] asks the kernel itself, so that an end or stray bytes that have arrived are
///   seen before anything is written, whether or not the runtime has heard of them.
/// - What cannot be written, because the peer takes no more, counts as written: what the peer still said decides. An
///   origin may refuse an upload, answer and close (RFC 9112, section 9.5); its answer is not lost to the failed write.
/// - Dropped in the middle of an exchange it is reset, so that nothing lingers, however much was still to be sent.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    control: Control,
    /// Whether the peer takes no more.
    is_deaf: bool,
}

/// Says from outside of a [`Socket`] how it is to behave. Clones control the same socket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Control(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    read: AtomicUsize,
    probe: AtomicBool,
    reset: AtomicBool,
}

impl Control {
    /// Makes the next read ask the kernel.
    pub(crate) fn probe(&self) {
        self.0.probe.store(true, Ordering::Relaxed);
    }

    /// Counts what is read from now on.
    pub(crate) fn count_from_here(&self) {
        self.0.read.store(0, Ordering::Relaxed);
    }

    /// Bytes that were read since then.
    pub(crate) fn read(&self) -> usize {
        self.0.read.load(Ordering::Relaxed)
    }

    /// Says whether dropping the socket resets the connection.
    pub(crate) fn reset_on_drop(&self, reset: bool) {
        self.0.reset.store(reset, Ordering::Relaxed);
    }
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, control: Control::default(), is_deaf: false }
    }

    pub(crate) fn control(&self) -> Control {
        self.control.clone()
    }

    /// Reads what is there, `None` if there is nothing.
    fn read_now(&self, buf: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        let socket = SockRef::from(&self.stream);
        match socket.peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(Err(error)),
            Ok(0) => Some(Ok(())),
            Ok(_) => {
                let read = (&*socket).read(buf.initialize_unfilled());
                Some(read.map(|count| buf.advance(count)))
            }
        }
    }

    fn written(&mut self, length: usize, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Err(error)) if is_gone(&error) => {
                self.is_deaf = true;
                Poll::Ready(Ok(length))
            }
            other => other,
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let probe = &self.control.0.probe;
        if probe.load(Ordering::Relaxed) {
            probe.store(false, Ordering::Relaxed);
            if let Some(read) = self.read_now(buf) {
                return Poll::Ready(read);
            }
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.control.0.read.fetch_add(buf.filled().len() - before, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(buf.len(), result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if self.is_deaf {
            return Poll::Ready(Ok(length));
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(length, result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.control.0.reset.load(Ordering::Relaxed) {
            // Where that fails the socket closes as usual.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}
