use afield_transport::Peer;
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Where connections stand that have not yet said who they are. There are only so many places, and who takes long gives
/// way: when all are taken, the one goes that has stood longest among those of whoever takes the most. Whoever is quick
/// gets in however many others stand there and say nothing.
pub(crate) struct Doorstep {
    most: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    /// The oldest first.
    standing: Vec<Standing>,
    last: u64,
}

struct Standing {
    number: u64,
    from: From,
    sent_away: CancellationToken,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Address(IpAddr),
    User(u32),
}

/// A place, given back when it is dropped.
pub(crate) struct Place {
    number: u64,
    sent_away: CancellationToken,
    doorstep: Arc<Doorstep>,
}

impl Doorstep {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, places: Mutex::default() })
    }

    /// A place for this peer. Says whether another had to go for it.
    pub fn stand(self: &Arc<Self>, peer: &Peer) -> (Place, bool) {
        let from = match peer {
            Peer::Tcp(address) => From::Address(address.ip()),
            Peer::Unix { uid, .. } => From::User(*uid),
        };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let full = places.standing.len() >= self.most;
        if full && let Some(at) = places.to_go() {
            places.standing.remove(at).sent_away.cancel();
        }
        places.last += 1;
        let (number, sent_away) = (places.last, CancellationToken::new());
        places.standing.push(Standing { number, from, sent_away: sent_away.clone() });
        (Place { number, sent_away, doorstep: self.clone() }, full)
    }
}

impl Doorstep {
    /// Makes room for others when the system has no more descriptors or memory: a quarter of those who stand here go.
    pub fn clear(&self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..places.standing.len().div_ceil(4) {
            let Some(at) = places.to_go() else { break };
            places.standing.remove(at).sent_away.cancel();
        }
    }
}

impl Places {
    fn to_go(&self) -> Option<usize> {
        let takes = |from: From| self.standing.iter().filter(|standing| standing.from == from).count();
        // Of several that are greatest `max_by_key` takes the last: the oldest, this way round.
        let all = self.standing.iter().enumerate().rev();
        all.max_by_key(|(_, standing)| takes(standing.from)).map(|(at, _)| at)
    }
}

impl Place {
    /// Waits until it has to go. Cancel safe.
    pub async fn sent_away(&self) {
        self.sent_away.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.doorstep.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.standing.retain(|standing| standing.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer::Tcp(text.parse().unwrap())
    }

    /// Proves that a flood from one address drives out its own oldest and nobody else, and that a place that is left can be
    /// taken again.
    #[test]
    fn case_083_a_flood_drives_out_its_own_oldest() {
        let doorstep = Doorstep::new(3);
        let honest = doorstep.stand(&peer("127.0.0.9:1")).0;
        let first = doorstep.stand(&peer("127.0.0.1:1")).0;
        let (second, full) = doorstep.stand(&peer("127.0.0.1:2"));
        assert!(!full);
        let (third, full) = doorstep.stand(&peer("127.0.0.1:3"));
        assert!(full && first.sent_away.is_cancelled());
        let another = doorstep.stand(&Peer::Unix { uid: 1, pid: None }).0;
        assert!(second.sent_away.is_cancelled() && !third.sent_away.is_cancelled());
        assert!(!honest.sent_away.is_cancelled() && !another.sent_away.is_cancelled());
        drop(third);
        assert!(!doorstep.stand(&peer("127.0.0.1:4")).1);
    }
}
