//! Turns at the processor, fair among principals.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::PollSemaphore;

/// From this many bytes on, what is done with them takes longer than others should wait.
const LARGE: usize = 1024 * 1024;

/// How long others count as active after one of them was polled, in milliseconds.
const ACTIVE: u64 = 10;

/// The runtime's threads, which all principals share.
///
/// The runtime polls tasks in the order in which they were woken, whatever they belong to: six hundred tasks of one principal
/// stand before the one task of another. While more than one principal is active, the tasks of each therefore leave one
/// thread free, and wait for each other in a queue of their own.
pub(crate) struct Threads {
    /// The most tasks of one principal that are polled at a time while others are active.
    most: usize,
    start: Instant,
    ids: AtomicU64,
    /// The principal that was polled last.
    last: AtomicU64,
    /// Until when, in milliseconds after `start`, more than one principal counts as active.
    shared_until: AtomicU64,
}

/// The turns of one principal.
pub(crate) struct Turns {
    threads: Arc<Threads>,
    id: u64,
    permits: Arc<Semaphore>,
}

impl Threads {
    /// Those of the current runtime.
    pub fn current() -> Arc<Self> {
        Self::new(Handle::try_current().map_or(1, |handle| handle.metrics().num_workers()))
    }

    fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self {
            most: threads.saturating_sub(1).max(1),
            start: Instant::now(),
            ids: AtomicU64::new(0),
            last: AtomicU64::new(0),
            shared_until: AtomicU64::new(0),
        })
    }

    /// The turns of one more principal.
    pub fn turns(self: &Arc<Self>) -> Arc<Turns> {
        let id = self.ids.fetch_add(1, Relaxed) + 1;
        Arc::new(Turns { threads: self.clone(), id, permits: Arc::new(Semaphore::new(self.most)) })
    }

    /// Records that a principal is active. Returns whether others are too.
    fn is_shared(&self, id: u64) -> bool {
        let now = self.start.elapsed().as_millis() as u64;
        if self.last.load(Relaxed) != id {
            self.last.store(id, Relaxed);
            self.shared_until.store(now + ACTIVE, Relaxed);
            return true;
        }
        now < self.shared_until.load(Relaxed)
    }
}

impl Turns {
    /// Runs a task of the principal, polled in its turn. Must not be part of a future that stops polling it: the turn it was
    /// given would be lost to the principal's other tasks until it is dropped.
    ///
    /// Cancel safe as far as `task` is: a task that is dropped gives up its place in the queue.
    pub async fn run<F: Future>(&self, task: F) -> F::Output {
        let mut queue = self.queue();
        // What the task leaves behind is dropped in its last turn: sockets full of unread bytes take time to close.
        let (output, _turn);
        {
            let mut task = pin!(task);
            (output, _turn) = poll_fn(|cx| {
                let turn = ready!(self.poll_turn(&mut queue, cx));
                task.as_mut().poll(cx).map(|output| (output, turn))
            })
            .await;
        }
        output
    }

    /// Takes one of the principal's turns, as a task does that is polled on another thread.
    #[cfg(test)]
    pub fn take(&self) -> OwnedSemaphorePermit {
        self.permits.clone().try_acquire_owned().expect("a turn is free")
    }

    /// Ready when the task may be polled: at once where no other principal is active.
    fn poll_turn(
        &self,
        (queue, waits): &mut (PollSemaphore, bool),
        cx: &mut Context<'_>,
    ) -> Poll<Option<OwnedSemaphorePermit>> {
        if !self.threads.is_shared(self.id) {
            if *waits {
                (*queue, *waits) = self.queue();
            }
            return Poll::Ready(None);
        }
        let turn = queue.poll_acquire(cx);
        *waits = turn.is_pending();
        turn
    }

    /// A place in the queue, and whether anything waits there.
    fn queue(&self) -> (PollSemaphore, bool) {
        (PollSemaphore::new(self.permits.clone()), false)
    }
}

/// Does something with so many bytes at once. Where that takes long, the other tasks of this thread move to another one first.
pub(crate) fn blocking<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let is_possible =
        || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes >= LARGE && is_possible() { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Barrier, atomic::AtomicUsize};
    use std::task::Waker;

    /// Polls once, with nobody to be woken.
    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Proves that while others are active a task waits for its principal's turn, and that a dropped one lets the next have it.
    #[test]
    fn task_of_busy_principal_waits_for_its_turn() {
        let threads = Threads::new(2);
        let (ann, bob) = (threads.turns(), threads.turns());
        assert!(poll(pin!(bob.run(async {}))).is_ready());
        let taken = ann.take();
        let mut first = Box::pin(ann.run(async { 1 }));
        let mut second = Box::pin(ann.run(async { 2 }));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        assert!(poll(pin!(bob.run(async {}))).is_ready(), "it is not bob who waits");
        drop(taken);
        assert!(poll(second.as_mut()).is_pending(), "the turn is the first one's");
        drop(first);
        assert_eq!(poll(second.as_mut()), Poll::Ready(2));
        assert_eq!(ann.permits.available_permits(), 1);
    }

    /// Proves that a principal that is alone uses all threads at a time.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn lone_principal_uses_all_threads() {
        let ann = Threads::current().turns();
        // The first poll counts as a change of principals.
        ann.run(async {}).await;
        std::thread::sleep(std::time::Duration::from_millis(2 * ACTIVE));
        let all = Arc::new(Barrier::new(4));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (ann, all) = (ann.clone(), all.clone());
                // Nobody passes before all four are polled at once.
                tokio::spawn(async move { ann.run(async move { all.wait().is_leader() }).await })
            })
            .collect();
        let mut leaders = 0;
        for task in tasks {
            leaders += usize::from(task.await.unwrap());
        }
        assert_eq!(leaders, 1);
    }

    /// Proves that of the threads one stays free of a principal while others are active, and that everything is done all the same.
    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn busy_principal_leaves_a_thread_to_others() {
        let threads = Threads::current();
        let (ann, bob) = (threads.turns(), threads.turns());
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (ann, bob, running, most) = (ann.clone(), bob.clone(), running.clone(), most.clone());
                tokio::spawn(async move {
                    bob.run(async {}).await;
                    ann.run(async move {
                        for _ in 0..5 {
                            // Marks that others are active, for as long as the work takes.
                            threads_shared(&bob);
                            most.fetch_max(running.fetch_add(1, Relaxed) + 1, Relaxed);
                            std::thread::sleep(std::time::Duration::from_micros(100));
                            running.fetch_sub(1, Relaxed);
                            tokio::task::yield_now().await;
                        }
                    })
                    .await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(most.load(Relaxed) <= 2, "{most:?}");
        assert_eq!(ann.permits.available_permits(), 2);
    }

    fn threads_shared(turns: &Turns) {
        turns.threads.is_shared(turns.id);
    }
}
