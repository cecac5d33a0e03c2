//! The PROXY protocol, versions 1 and 2: what stands in front says before anything else for whom it connects.

use proxy_header::{ParseConfig, ProxyHeader};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::TcpStream,
};

/// The longest header of version 1.
const LONGEST_V1: usize = 107;
/// The longest header of version 2 that is read: addresses, and what clouds add about networks and certificates.
const LONGEST_V2: usize = 4096;

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Both versions are told from each other, and from all else, by this many bytes.
const TELLING: usize = 6;
/// Version 2: the signature, the command, the family, and how much follows.
const START_V2: usize = 16;

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHeader {
    /// The stream begins with something else, or ends.
    Missing,
    /// It begins as a header does, and is none.
    Malformed,
}

/// Reads a header and nothing beyond it. Yields for whom the connection is; `None` where that is said to be the peer itself,
/// which probes do.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<SocketAddr>, NoHeader> {
    let mut header = vec![0; TELLING];
    stream.read_exact(&mut header).await.map_err(|_| NoHeader::Missing)?;
    if header == V1 {
        while !header.ends_with(b"\n") {
            if header.len() == LONGEST_V1 {
                return Err(NoHeader::Malformed);
            }
            header.push(stream.read_u8().await.map_err(|_| NoHeader::Malformed)?);
        }
    } else if V2.starts_with(&header) {
        header.resize(START_V2, 0);
        stream.read_exact(&mut header[TELLING..]).await.map_err(|_| NoHeader::Malformed)?;
        let rest = usize::from(u16::from_be_bytes([header[START_V2 - 2], header[START_V2 - 1]]));
        if START_V2 + rest > LONGEST_V2 {
            return Err(NoHeader::Malformed);
        }
        header.resize(START_V2 + rest, 0);
        stream.read_exact(&mut header[START_V2..]).await.map_err(|_| NoHeader::Malformed)?;
    } else {
        return Err(NoHeader::Missing);
    }
    let (parsed, length) =
        ProxyHeader::parse(&header, ParseConfig::default()).map_err(|_| NoHeader::Malformed)?;
    if length != header.len() {
        return Err(NoHeader::Malformed);
    }
    Ok(parsed.proxied_address().map(|address| address.source))
}

/// Whether a stream begins with a header, as far as its first packet tells. Takes nothing out of it.
pub(super) async fn begins(stream: &TcpStream) -> bool {
    let mut first = [0; V2.len()];
    match stream.peek(&mut first).await {
        Ok(length) if length >= TELLING => {
            let first = &first[..length];
            first.starts_with(V1) || V2.starts_with(first)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(mut bytes: &[u8]) -> (Result<Option<SocketAddr>, NoHeader>, usize) {
        let read = read(&mut bytes).await;
        (read, bytes.len())
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2, &[command, family], &length, rest].concat()
    }

    /// Proves that headers of both versions say for whom the connection is, that nothing behind them is taken, and that what
    /// is none is told from what is malformed.
    #[tokio::test]
    async fn case_144_both_versions_are_read_and_nothing_beyond() {
        let address = |text: &str| Ok(Some(text.parse().unwrap()));
        let v4 = [192, 0, 2, 1, 127, 0, 0, 1, 0x12, 0x34, 0, 80];
        let v6 = [[0x20, 1, 0xd, 0xb8].as_slice(), &[0; 11], &[9], &[0; 16], &[0, 7, 0, 80]].concat();
        for (header, meant) in [
            (b"PROXY TCP4 192.0.2.1 127.0.0.1 4660 80\r\n".to_vec(), address("192.0.2.1:4660")),
            (b"PROXY TCP6 2001:db8::9 ::1 7 80\r\n".to_vec(), address("[2001:db8::9]:7")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Ok(None)),
            (v2(0x21, 0x11, &v4), address("192.0.2.1:4660")),
            (v2(0x21, 0x21, &v6), address("[2001:db8::9]:7")),
            (v2(0x21, 0x11, &[&v4[..], &[4, 0, 1, 0]].concat()), address("192.0.2.1:4660")),
            (v2(0x20, 0, &[]), Ok(None)),
        ] {
            assert_eq!(of(&[&header[..], b"GET /"].concat()).await, (meant, 5), "{header:?}");
        }
        for (header, why) in [
            (b"GET / HTTP/1.1\r\n".to_vec(), NoHeader::Missing),
            (b"PRO".to_vec(), NoHeader::Missing),
            (b"PROXY TCP4 192.0.2.1 127.0.0.1 x 80\r\n".to_vec(), NoHeader::Malformed),
            ([b"PROXY ".as_slice(), &[b'x'; 200]].concat(), NoHeader::Malformed),
            (v2(0x31, 0x11, &v4), NoHeader::Malformed),
            (v2(0x21, 0x11, &v4[..4]), NoHeader::Malformed),
            (v2(0x21, 0x11, &[0; 5000]), NoHeader::Malformed),
        ] {
            assert_eq!(of(&header).await.0, Err(why), "{header:?}");
        }
    }
}
