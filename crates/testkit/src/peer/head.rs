use bytes::{Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

const LIMIT: usize = 1024 * 1024;

/// Reads up to the empty line that ends a head: the head with it, and what came behind.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(String, Bytes)> {
    let mut buffer = BytesMut::new();
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = buffer.split_to(end + 4);
            return Ok((String::from_utf8_lossy(&head).into_owned(), buffer.freeze()));
        }
        if buffer.len() > LIMIT {
            return Err(io::Error::other("the head exceeds 1 MiB"));
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The first value of header `name` in a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
