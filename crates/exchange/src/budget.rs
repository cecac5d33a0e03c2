use bytes::Bytes;
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicIsize, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll, Waker},
};

/// Bytes up to this many are not worth a permit of their own: what holds them is counted for what it costs anyway.
const UNCOUNTED: usize = 256;

/// An amount of something, bytes or places, that is divided among those who ask for it.
///
/// One half is cut into equal parts, of which each [`Share`] is guaranteed one for as long as it lives, whatever others take.
/// The other half is common and goes to whoever asks first. A share that is made when all parts are given out has none and
/// lives on what is common. Nothing is ever taken from another's part: the whole is never exceeded.
///
/// Cheap to clone; clones are the same budget.
#[derive(Clone)]
pub struct Budget(Arc<Whole>);

struct Whole {
    total: usize,
    /// What each of the first shares is guaranteed.
    part: usize,
    common: isize,
    common_used: AtomicIsize,
    /// What all shares have taken, for whoever looks on: nothing is decided by it.
    used: AtomicUsize,
    /// The most that was taken at a time.
    high: AtomicUsize,
    parts_left: AtomicUsize,
    /// Whether anybody waits. Looked at on every release, so that a release for which nobody waits takes no lock.
    awaited: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

/// One holder's share of a [`Budget`]. Cheap to clone; clones are the same share.
#[derive(Clone)]
pub struct Share(Arc<Own>);

struct Own {
    whole: Arc<Whole>,
    part: usize,
    used: AtomicUsize,
}

/// An amount taken out of a [`Share`], given back when it is dropped. It travels with what it stands for.
pub struct Permit {
    share: Share,
    amount: usize,
}

/// There is not as much left as was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the share is used up")]
pub struct UsedUp;

impl Budget {
    /// A budget of `total`, one half of it cut into `parts`. With one part, one share may take all of it.
    pub fn new(total: usize, parts: usize) -> Self {
        let part = total / 2 / parts.max(1);
        let common = isize::try_from(total - part * parts.max(1)).unwrap_or(isize::MAX);
        Self(Arc::new(Whole {
            total,
            part,
            common,
            common_used: AtomicIsize::new(0),
            used: AtomicUsize::new(0),
            high: AtomicUsize::new(0),
            parts_left: AtomicUsize::new(parts.max(1)),
            awaited: AtomicBool::new(false),
            waiting: Mutex::default(),
        }))
    }

    /// A share, with a guaranteed part if one is left.
    pub fn share(&self) -> Share {
        let left = self.0.parts_left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        let part = if left.is_ok() { self.0.part } else { 0 };
        Share(Arc::new(Own { whole: self.0.clone(), part, used: AtomicUsize::new(0) }))
    }

    /// All there is.
    pub fn total(&self) -> usize {
        self.0.total
    }

    /// What is taken at the moment, by all shares together.
    pub fn used(&self) -> usize {
        self.0.used.load(Relaxed)
    }

    /// The most that was taken at a time since this was asked before.
    pub fn take_high(&self) -> usize {
        self.0.high.swap(self.used(), Relaxed)
    }

    /// What each of the first shares is guaranteed.
    pub fn part(&self) -> usize {
        self.0.part
    }

    /// What a share that has a part may take at most.
    pub fn most(&self) -> usize {
        self.0.part + usize::try_from(self.0.common).unwrap_or(0)
    }
}

impl Share {
    /// A share that has no end, for whoever counts nothing.
    pub fn unlimited() -> Self {
        Budget::new(usize::MAX / 4, 1).share()
    }

    /// Takes this amount.
    ///
    /// # Errors
    ///
    /// [`UsedUp`], and nothing is taken, if there is less.
    pub fn take(&self, amount: usize) -> Result<Permit, UsedUp> {
        self.0.take(amount)?;
        Ok(Permit { share: self.clone(), amount })
    }

    /// Takes an amount that is there already and cannot be refused any more. Others may be refused for it.
    pub fn take_anyway(&self, amount: usize) -> Permit {
        let mut permit = Permit { share: self.clone(), amount: 0 };
        permit.set(amount);
        permit
    }

    /// Takes this amount once there is as much. Cancel safe: the task is woken for nothing at worst.
    pub fn poll_take(&self, amount: usize, cx: &Context<'_>) -> Poll<Permit> {
        if let Ok(permit) = self.take(amount) {
            return Poll::Ready(permit);
        }
        let whole = &self.0.whole;
        let mut waiting = whole.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(cx.waker().clone());
        whole.awaited.store(true, SeqCst);
        drop(waiting);
        // Something may have been given back before anybody saw that it is awaited.
        self.take(amount).map_or(Poll::Pending, Poll::Ready)
    }

    /// Counts these bytes for as long as any part of them is kept. Very few are not counted.
    ///
    /// # Errors
    ///
    /// [`UsedUp`] if there is no room for them.
    pub fn hold(&self, bytes: Bytes) -> Result<Bytes, UsedUp> {
        if bytes.len() <= UNCOUNTED {
            return Ok(bytes);
        }
        Ok(self.take(bytes.len())?.hold(bytes))
    }

    /// What is taken at the moment.
    pub fn used(&self) -> usize {
        self.0.used.load(SeqCst)
    }
}

impl Permit {
    /// How much it is.
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Takes this much more.
    ///
    /// # Errors
    ///
    /// [`UsedUp`], and it stays as it is, if there is less.
    pub fn grow(&mut self, more: usize) -> Result<(), UsedUp> {
        self.share.0.take(more)?;
        self.amount += more;
        Ok(())
    }

    /// Makes it this much, which may be more than there is: for what is there already and cannot be refused any more.
    pub fn set(&mut self, amount: usize) {
        match amount.checked_sub(self.amount) {
            Some(0) => {}
            Some(more) => self.share.0.take_anyway(more),
            None => self.share.0.give(self.amount - amount),
        }
        self.amount = amount;
    }

    /// Ties it to these bytes, unless they are very few: those are not worth a permit of their own, and it is given back.
    pub fn hold_unless_tiny(self, bytes: Bytes) -> Bytes {
        if bytes.len() <= UNCOUNTED { bytes } else { self.hold(bytes) }
    }

    /// Ties it to these bytes: it is given back when no part of them is kept any more. It becomes as much as they are.
    pub fn hold(mut self, bytes: impl Into<Bytes>) -> Bytes {
        let bytes = bytes.into();
        self.set(bytes.len());
        Bytes::from_owner(Held { bytes, _permit: self })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.share.0.give(self.amount);
    }
}

struct Held {
    bytes: Bytes,
    _permit: Permit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Own {
    /// How much of what is common a use of `used` takes.
    fn common(&self, used: usize) -> isize {
        isize::try_from(used.saturating_sub(self.part)).unwrap_or(isize::MAX)
    }

    /// Takes of what is common first, then of its own, if that is still as it was: a refusal leaves no trace, and whoever
    /// waits is not woken by those who ask in vain.
    fn take(&self, amount: usize) -> Result<(), UsedUp> {
        let mut before = self.used.load(SeqCst);
        loop {
            let after = before.checked_add(amount).ok_or(UsedUp)?;
            let wanted = self.common(after) - self.common(before);
            if wanted > 0 {
                let within = |used: isize| used.checked_add(wanted).filter(|used| *used <= self.whole.common);
                self.whole.common_used.fetch_update(SeqCst, SeqCst, within).map_err(|_| UsedUp)?;
            }
            match self.used.compare_exchange(before, after, SeqCst, SeqCst) {
                Ok(_) => {
                    self.whole.note(amount);
                    return Ok(());
                }
                Err(now) => {
                    self.whole.common_used.fetch_sub(wanted, SeqCst);
                    before = now;
                }
            }
        }
    }

    fn take_anyway(&self, amount: usize) {
        let before = self.used.fetch_add(amount, SeqCst);
        self.whole.note(amount);
        self.whole.common_used.fetch_add(self.common(before + amount) - self.common(before), SeqCst);
    }

    fn give(&self, amount: usize) {
        let before = self.used.fetch_sub(amount, SeqCst);
        self.whole.used.fetch_sub(amount, Relaxed);
        let returned = self.common(before) - self.common(before - amount);
        if returned > 0 {
            self.whole.common_used.fetch_sub(returned, SeqCst);
        }
        self.whole.wake();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.part > 0 {
            self.whole.parts_left.fetch_add(1, SeqCst);
        }
    }
}

impl Whole {
    /// So much more is taken.
    fn note(&self, amount: usize) {
        let used = self.used.fetch_add(amount, Relaxed) + amount;
        if used > self.high.load(Relaxed) {
            self.high.fetch_max(used, Relaxed);
        }
    }

    fn wake(&self) {
        if self.awaited.load(SeqCst) {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            self.awaited.store(false, SeqCst);
            let waiting = std::mem::take(&mut *waiting);
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("total", &self.0.total)
            .field("part", &self.0.part)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("used", &self.used())
            .field("part", &self.0.part)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.amount).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::atomic::Ordering, task::Wake, thread};

    /// Proves that whoever takes all there is to take leaves every other its part, and that the whole is never exceeded.
    #[test]
    fn budget_one_takes_what_it_can_others_keep_their_part() {
        let budget = Budget::new(800, 4);
        let [greedy, other] = [budget.share(), budget.share()];
        let all = greedy.take(500).unwrap();
        assert_eq!((budget.most(), greedy.take(1).map(|_| ())), (500, Err(UsedUp)));
        let part = other.take(100).unwrap();
        assert_eq!(other.take(1).map(|_| ()), Err(UsedUp));
        drop(all);
        assert_eq!((greedy.used(), other.used()), (0, 100));
        let more = other.take(400).unwrap();
        assert!(greedy.take(100).is_ok() && greedy.take(101).is_err());
        drop((part, more));
        assert_eq!(greedy.take(500).unwrap().amount(), 500);
    }

    /// Proves that a share beyond the parts lives on what is common, and that a part whose holder is gone goes to the next.
    #[test]
    fn budget_more_shares_than_parts_live_on_what_is_common() {
        let budget = Budget::new(400, 2);
        let first = budget.share();
        let [_second, late] = [budget.share(), budget.share()];
        let common = late.take(200).unwrap();
        assert!(late.take(1).is_err() && first.take(100).is_ok());
        drop(common);
        drop(first);
        assert_eq!(budget.share().take(300).unwrap().amount(), 300);
    }

    /// Proves that one part is all there is, and that a budget of few is not lost in the division.
    #[test]
    fn budget_of_one_part_is_all_of_it() {
        assert!(Budget::new(7, 1).share().take(7).is_ok());
        assert!(Budget::new(2, 8).share().take(2).is_ok());
        assert!(Budget::new(0, 8).share().take(1).is_err());
    }

    /// Proves that a permit is given back with the last piece of its bytes, and not before.
    #[test]
    fn permit_travels_with_its_bytes() {
        let share = Budget::new(4000, 1).share();
        let bytes = share.hold(vec![7; 1000].into()).unwrap();
        let piece = bytes.slice(10..20);
        drop(bytes);
        assert_eq!((share.used(), &piece[..]), (1000, &[7; 10][..]));
        drop(piece);
        assert_eq!(share.used(), 0);
        let mut permit = share.take(3000).unwrap();
        assert_eq!(permit.grow(1001), Err(UsedUp));
        permit.grow(1000).unwrap();
        assert_eq!(share.hold(vec![7; 257].into()), Err(UsedUp));
        let held = permit.hold(vec![1; 5]);
        assert_eq!((share.used(), held.len()), (5, 5));
    }

    /// Proves that what is there already is counted even where it exceeds the whole, and others are refused for it.
    #[test]
    fn budget_counts_what_cannot_be_refused() {
        let budget = Budget::new(100, 1);
        let share = budget.share();
        let mut there = share.take_anyway(150);
        assert!(share.take(1).is_err());
        there.set(99);
        assert!(share.take(1).is_ok() && share.take(2).is_err());
    }

    /// Proves that whoever waits is woken by what another gives back.
    #[test]
    fn budget_who_waits_is_woken() {
        struct Woken(AtomicUsize);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = Waker::from(woken.clone());
        let budget = Budget::new(100, 1);
        let share = budget.share();
        let all = share.take(100).unwrap();
        assert!(share.poll_take(50, &Context::from_waker(&waker)).is_pending());
        drop(all);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(share.poll_take(50, &Context::from_waker(&waker)).is_ready());
    }

    /// Proves that takes and gives of many threads add up to nothing in the end.
    #[test]
    fn budget_adds_up_whoever_meets_whom() {
        let budget = Budget::new(1000, 4);
        let shares = [budget.share(), budget.share()];
        thread::scope(|scope| {
            for at in 0..4 {
                let share = shares[at % 2].clone();
                scope.spawn(move || {
                    for amount in 0..20_000 {
                        let _permit = share.take(amount % 700);
                    }
                });
            }
        });
        assert_eq!(shares.each_ref().map(Share::used), [0, 0]);
        assert_eq!(budget.0.common_used.load(SeqCst), 0);
    }
}
