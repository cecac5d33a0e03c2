//! One connection of several addresses (RFC 8305).

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::{SockRef, TcpKeepalive};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How long an attempt has the field to itself before the next address is tried beside it: "Connection Attempt Delay",
/// RFC 8305, section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to one of the addresses, in their order but alternating between the families. The first that answers is used,
/// and attempts still under way are dropped. With none, the error of the last.
pub(super) async fn connect(addresses: &[IpAddr], port: u16) -> io::Result<(TcpStream, SocketAddr)> {
    let mut waiting: VecDeque<SocketAddr> =
        interleaved(addresses).into_iter().map(|address| SocketAddr::new(address, port)).collect();
    if waiting.len() == 1 {
        let address = waiting[0];
        return Ok((dial(address).await?, address));
    }
    let attempt = |address| async move { (dial(address).await, address) };
    let mut attempts = FuturesUnordered::new();
    let mut last = None;
    loop {
        match waiting.pop_front() {
            Some(address) => attempts.push(attempt(address)),
            None if attempts.is_empty() => {
                return Err(last.unwrap_or_else(|| io::Error::other("there is no address to connect to")));
            }
            None => {}
        }
        let is_last = waiting.is_empty();
        tokio::select! {
            Some((result, address)) = attempts.next() => match result {
                Ok(stream) => return Ok((stream, address)),
                Err(error) => last = Some(error),
            },
            () = sleep(ATTEMPT_DELAY), if !is_last => {}
        }
    }
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&keepalive())?;
    Ok(stream)
}

/// Probes find out within a minute that the other end's machine, or the path to it, is gone while nothing is sent. They say
/// nothing of an origin that pauses: its system answers them. There is no TCP_USER_TIMEOUT, which counts such a pause.
fn keepalive() -> TcpKeepalive {
    const INTERVAL: Duration = Duration::from_secs(15);
    let keepalive = TcpKeepalive::new().with_time(INTERVAL).with_interval(INTERVAL);
    #[cfg(not(windows))]
    let keepalive = keepalive.with_retries(3);
    keepalive
}

/// The addresses with the families alternating, beginning with the first's; the order within a family stays.
fn interleaved(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (preferred, other): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().copied().partition(|address| address.is_ipv4() == first.is_ipv4());
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    let mut all = Vec::with_capacity(addresses.len());
    loop {
        let pair = [preferred.next(), other.next()];
        if pair == [None, None] {
            return all;
        }
        all.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that no option of a connection's socket ends an exchange because the origin pauses, while a machine that is gone
    /// is noticed (case 125).
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn pausing_origin_is_ended_by_no_socket_option() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let stream = dial(listener.local_addr().expect("bound")).await.expect("it is accepted");
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tcp_user_timeout().expect("readable"), None);
        assert!(socket.keepalive().expect("readable") && socket.tcp_nodelay().expect("readable"));
        assert_eq!(socket.tcp_keepalive_retries().expect("readable"), 3);
    }

    /// Proves that families alternate, whichever is first, and that the order within each stays.
    #[test]
    fn addresses_of_both_families_alternate() {
        let parsed = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().expect("an address")).collect()
        };
        let mixed = interleaved(&parsed(&["fd00::1", "fd00::2", "fd00::3", "10.0.0.1"]));
        assert_eq!(mixed, parsed(&["fd00::1", "10.0.0.1", "fd00::2", "fd00::3"]));
        let mixed = interleaved(&parsed(&["10.0.0.1", "10.0.0.2", "fd00::1"]));
        assert_eq!(mixed, parsed(&["10.0.0.1", "fd00::1", "10.0.0.2"]));
        assert!(interleaved(&[]).is_empty());
    }
}
