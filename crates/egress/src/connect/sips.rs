use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};

/// The most that is read at once.
pub(crate) const SIP: u64 = 32 * 1024;

/// Reads a little at a time. An HTTP/1 connection reads into a buffer that grows, up to the largest head, with what an origin
/// has ready; what lies there behind the part of a body that was asked for nobody has counted.
pub(crate) struct Sips<I>(Take<I>);

impl<I: AsyncRead + Unpin> Sips<I> {
    pub(crate) fn new(io: I) -> Self {
        Self(io.take(SIP))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Sips<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.set_limit(SIP);
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Sips<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.0.get_mut()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.0.get_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.0.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.0.get_mut()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that however much is there, and however much room, a little is read at a time, and nothing is lost by it (case 138).
    #[tokio::test]
    async fn reads_are_small_whatever_the_room() {
        let there: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        let mut sips = Sips::new(&there[..]);
        let (mut sizes, mut read) = (Vec::new(), Vec::new());
        loop {
            let mut room = vec![0; 1 << 20];
            match sips.read(&mut room).await.unwrap() {
                0 => break,
                count => {
                    sizes.push(count);
                    read.extend_from_slice(&room[..count]);
                }
            }
        }
        assert_eq!(sizes, [32_768, 32_768, 32_768, 1696]);
        assert!(read == there);
    }
}
