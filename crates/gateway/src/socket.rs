//! The caller's socket, shared by whoever serves it and whoever watches for the caller to leave.

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use std::{
    io,
    net::Shutdown,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A connection. It closes with the last clone.
#[derive(Clone)]
pub(crate) struct Socket(Arc<Inner>);

struct Inner {
    stream: TcpStream,
    ahead: Mutex<Ahead>,
}

/// What is written before what hyper writes next.
#[derive(Default)]
struct Ahead {
    bytes: BytesMut,
    /// Whether hyper has written since it last had nothing left to write: it is somewhere in its messages then, and nothing
    /// may come between.
    is_amid: bool,
}

impl Socket {
    pub fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Inner { stream, ahead: Mutex::default() }))
    }

    /// Has these bytes, a message of their own, written before the answer that is awaited. Whoever says so bounds them.
    ///
    /// Only for whoever makes that answer, in the task that serves the connection: hyper has begun nothing of it then, and
    /// flushes whenever it has asked for it.
    pub fn write_ahead(&self, message: &[u8]) {
        self.ahead().bytes.extend_from_slice(message);
    }

    /// The answer is there. What could not be begun before it, since the one before is not written yet, is dropped.
    pub fn answered(&self) {
        let mut ahead = self.ahead();
        if ahead.is_amid {
            ahead.bytes.clear();
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the caller has closed the connection or its sending side, whether or not what it sent before was read.
    ///
    /// HTTP alone would not notice: it reads no further than it has use for, which while an answer is awaited is not at
    /// all as soon as a byte of the next request is there.
    pub async fn left(&self) {
        // Unlike readability, this is not satisfied by bytes that nobody has read.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if !matches!(self.0.stream.ready(tokio::io::Interest::PRIORITY).await, Ok(ready) if !ready.is_read_closed())
        {
            return;
        }
        // Elsewhere, and after urgent data, which means nothing here and does not go away, HTTP's own notice has to do.
        std::future::pending().await
    }

    /// From here on the end of the connection is a reset, which nobody takes for the end of a body.
    pub fn reset_on_close(&self) {
        // It fails only on a socket that is already gone.
        let _ = self.0.stream.set_zero_linger();
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.stream.poll_read_ready(cx))?;
            match self.0.stream.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_try(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_try(cx, |stream| stream.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper asks for it when it has nothing left to write.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut ahead = self.ahead();
        ahead.is_amid = false;
        self.poll_ahead(cx, &mut ahead)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.0.stream).shutdown(Shutdown::Write))
    }
}

impl Socket {
    fn poll_try(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut ahead = self.ahead();
        if !ahead.is_amid {
            ready!(self.poll_ahead(cx, &mut ahead))?;
        }
        let written = ready!(self.poll_stream(cx, write))?;
        ahead.is_amid = true;
        Poll::Ready(Ok(written))
    }

    fn poll_ahead(&self, cx: &mut Context<'_>, ahead: &mut Ahead) -> Poll<io::Result<()>> {
        while !ahead.bytes.is_empty() {
            match ready!(self.poll_stream(cx, |stream| stream.try_write(&ahead.bytes)))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => ahead.bytes.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_stream(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.stream.poll_write_ready(cx))?;
            match write(&self.0.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_testkit::within;
    use std::{future::poll_fn, task::Waker};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let caller = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Socket::new(listener.accept().await.unwrap().0), caller)
    }

    /// Proves that what is written ahead comes before what hyper writes next.
    #[tokio::test]
    async fn what_is_written_ahead_comes_first() {
        let (mut socket, mut caller) = pair().await;
        socket.flush().await.unwrap();
        socket.write_ahead(b"1");
        socket.flush().await.unwrap();
        socket.write_ahead(b"2");
        socket.answered();
        socket.write_all(b"34").await.unwrap();
        let mut got = [0; 4];
        within("all of it comes", caller.read_exact(&mut got)).await.unwrap();
        assert_eq!(&got, b"1234");
    }

    /// Proves that nothing comes between two parts of what hyper writes, and that what could not be written before an answer
    /// is not written after it.
    #[tokio::test]
    async fn what_is_written_ahead_never_lands_amid() {
        let (mut socket, mut caller) = pair().await;
        let piece = vec![0; 1 << 20];
        let mut written = 0;
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(bytes) = Pin::new(&mut socket).poll_write(&mut cx, &piece) {
            written += bytes.unwrap();
        }
        socket.write_ahead(b"103");
        assert!(Pin::new(&mut socket).poll_write(&mut cx, &piece).is_pending());
        socket.answered();
        let reading = tokio::spawn(async move {
            let mut got = Vec::new();
            caller.read_to_end(&mut got).await.unwrap();
            got
        });
        written += poll_fn(|cx| Pin::new(&mut socket).poll_write(cx, &piece)).await.unwrap();
        socket.flush().await.unwrap();
        drop(socket);
        let got = within("the end comes", reading).await.unwrap();
        assert_eq!(got, vec![0; written]);
    }
}
