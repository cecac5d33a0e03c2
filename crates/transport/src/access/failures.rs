use super::Peer;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Failures that a peer may have at once.
const BURST: f64 = 20.0;
/// How long it takes until it may have one more.
const REFILL: Duration = Duration::from_secs(3);
/// Peers that are remembered. Beyond that the one whose last failure is the oldest is forgotten.
const PEERS: usize = 4096;

/// Counts failed authentications for each peer: a bucket of 20 tokens, and one more every 3 s. While it is empty, whoever
/// fails is told to wait. It says nothing of those who do not fail.
///
/// A peer is an IPv4 address, an IPv6 network of 64 bits, or a user of this machine.
#[derive(Default)]
pub(crate) struct Failures(Mutex<HashMap<Key, Bucket>>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    V4([u8; 4]),
    V6([u8; 8]),
    User(u32),
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn left(&self, now: Instant) -> f64 {
        let refilled = now.saturating_duration_since(self.at).as_secs_f64() / REFILL.as_secs_f64();
        (self.left + refilled).min(BURST)
    }
}

impl Failures {
    /// Notes that this peer has failed. If it has done so too often it has to wait: for so many seconds. That is a failure
    /// which is not counted, or nobody who goes on trying would ever be done with waiting.
    pub(crate) fn fail(&self, peer: &Peer) -> Option<u64> {
        let now = Instant::now();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Key::of(peer);
        if !buckets.contains_key(&key) && buckets.len() >= PEERS {
            buckets.retain(|_, bucket| bucket.left(now) < BURST);
            if buckets.len() >= PEERS {
                let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(key, _)| *key);
                oldest.map(|oldest| buckets.remove(&oldest));
            }
        }
        let bucket = buckets.entry(key).or_insert(Bucket { left: BURST, at: now });
        let left = bucket.left(now);
        if left < 1.0 {
            return Some(((1.0 - left) * REFILL.as_secs_f64()).ceil().max(1.0) as u64);
        }
        *bucket = Bucket { left: left - 1.0, at: now };
        None
    }
}

impl Key {
    fn of(peer: &Peer) -> Self {
        match peer {
            Peer::Unix { uid, .. } => Self::User(*uid),
            Peer::Tcp(address) => match address.ip().to_canonical() {
                IpAddr::V4(ip) => Self::V4(ip.octets()),
                IpAddr::V6(ip) => {
                    let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                    Self::V6([a, b, c, d, e, f, g, h])
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn peer(text: &str) -> Peer {
        Peer::Tcp(text.parse().unwrap())
    }

    /// Proves that a peer that fails too often has to wait, wherever in its network it calls from, that others do not, and
    /// that time heals, also one that goes on trying.
    #[tokio::test(start_paused = true)]
    async fn case_081_who_fails_too_often_has_to_wait() {
        let failures = Failures::default();
        for at in 0..20 {
            assert_eq!(failures.fail(&peer(&format!("127.0.0.1:{}", at + 1))), None, "{at}");
            assert_eq!(failures.fail(&peer(&format!("[2001:db8::{at:x}]:9"))), None, "{at}");
        }
        assert_eq!(failures.fail(&peer("127.0.0.1:1")), Some(3));
        assert_eq!(failures.fail(&peer("[::ffff:127.0.0.1]:1")), Some(3));
        assert_eq!(failures.fail(&peer("[2001:db8::ffff]:1")), Some(3));
        assert_eq!(failures.fail(&peer("[2001:db8:0:1::1]:1")), None);
        assert_eq!(failures.fail(&peer("127.0.0.2:1")), None);
        advance(Duration::from_millis(1500)).await;
        assert_eq!(failures.fail(&peer("127.0.0.1:1")), Some(2));
        advance(Duration::from_millis(1500)).await;
        assert_eq!(failures.fail(&peer("127.0.0.1:1")), None);
        assert_eq!(failures.fail(&peer("127.0.0.1:1")), Some(3));
    }

    /// Proves that however many peers fail, only so many are remembered, the latest among them.
    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded() {
        let failures = Failures::default();
        for at in 0..(PEERS as u32 + 100) {
            advance(Duration::from_micros(100)).await;
            failures.fail(&Peer::Unix { uid: at, pid: None });
        }
        let table = failures.0.lock().unwrap();
        assert_eq!(table.len(), PEERS);
        assert!(table.contains_key(&Key::User(PEERS as u32 + 99)) && !table.contains_key(&Key::User(0)));
    }
}
