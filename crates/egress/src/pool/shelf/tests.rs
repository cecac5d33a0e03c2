//! The shelf against a model, under seeds: whatever is parked, taken, shared, swept and dropped.

use super::*;
use proptest::prelude::*;
use std::cell::Cell;
use std::rc::Rc;

const BOUNDS: Bounds = Bounds {
    idle: Duration::from_secs(30),
    idle_per_origin: 3,
    idle_in_all: 8,
    shared_per_origin: 2,
    remembered: 2,
};

const ORIGINS: [&str; 4] = ["http://a", "http://b", "https://c", "https://d"];

/// A connection that knows whose it is, and counts itself while it lives.
#[derive(Debug)]
struct Exclusive {
    id: u32,
    origin: usize,
    alive: Rc<Cell<i32>>,
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        self.alive.set(self.alive.get() - 1);
    }
}

#[derive(Debug)]
struct Multiplexed {
    origin: usize,
    streams: Rc<Cell<usize>>,
    open: Rc<Cell<bool>>,
    has_place: bool,
}

const STREAMS: usize = 2;

impl Multiplexed {
    fn handle(&self, has_place: bool) -> Self {
        self.streams.set(self.streams.get() + usize::from(has_place));
        let (streams, open) = (Rc::clone(&self.streams), Rc::clone(&self.open));
        Self { origin: self.origin, streams, open, has_place }
    }
}

impl Drop for Multiplexed {
    fn drop(&mut self) {
        self.streams.set(self.streams.get() - usize::from(self.has_place));
    }
}

impl Shared for Multiplexed {
    fn is_open(&self) -> bool {
        self.open.get()
    }

    fn enter(&self) -> Option<Self> {
        (self.streams.get() < STREAMS).then(|| self.handle(true))
    }

    fn crowd(&self) -> Self {
        self.handle(true)
    }

    fn kept(&self) -> Self {
        self.handle(false)
    }

    fn is_idle(&self) -> bool {
        self.streams.get() == 0
    }
}

#[derive(Clone, Debug)]
enum Step {
    Park(usize),
    Take(usize),
    Offer(usize),
    Share(usize),
    Crowd(usize),
    Leave(usize),
    Close(usize),
    Wait(u64),
    Sweep,
    Http1Only(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let origin = 0..ORIGINS.len();
    prop_oneof![
        4 => origin.clone().prop_map(Step::Park),
        4 => origin.clone().prop_map(Step::Take),
        2 => origin.clone().prop_map(Step::Offer),
        4 => origin.clone().prop_map(Step::Share),
        1 => origin.clone().prop_map(Step::Crowd),
        4 => (0..8usize).prop_map(Step::Leave),
        1 => (0..8usize).prop_map(Step::Close),
        2 => (1..40u64).prop_map(Step::Wait),
        2 => Just(Step::Sweep),
        1 => origin.prop_map(Step::Http1Only),
    ]
}

/// What the shelf is to hold, told in the plainest way.
#[derive(Default)]
struct Model {
    idle: Vec<(Instant, u32, usize)>,
    next: u32,
}

impl Model {
    fn of(&self, origin: usize) -> Vec<(Instant, u32)> {
        let own = self.idle.iter().filter(|(_, _, other)| *other == origin);
        own.map(|(parked, id, _)| (*parked, *id)).collect()
    }

    fn remove(&mut self, id: u32) {
        self.idle.retain(|(_, other, _)| *other != id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves that what is taken is the youngest of its origin and not too old, that nothing is given out twice or to another
    /// origin, that the bounds hold, and that no connection is lost or kept beyond its time.
    #[test]
    fn shelf_keeps_to_its_model(steps in proptest::collection::vec(step(), 1..120)) {
        let mut now = Instant::now();
        let mut shelf: Shelf<Exclusive, Multiplexed> = Shelf::new(BOUNDS);
        let mut model = Model::default();
        let alive = Rc::new(Cell::new(0));
        let mut used: Vec<Multiplexed> = Vec::new();
        for step in steps {
            match step {
                Step::Park(origin) => {
                    let id = model.next;
                    model.next += 1;
                    alive.set(alive.get() + 1);
                    let connection = Exclusive { id, origin, alive: Rc::clone(&alive) };
                    let closed = shelf.park(ORIGINS[origin], connection, now);
                    model.idle.push((now, id, origin));
                    if model.idle.len() > BOUNDS.idle_in_all {
                        prop_assert_eq!(closed.as_ref().map(|closed| closed.id), Some(id));
                        model.remove(id);
                    } else if model.of(origin).len() > BOUNDS.idle_per_origin {
                        let oldest = model.of(origin)[0].1;
                        prop_assert_eq!(closed.as_ref().map(|closed| closed.id), Some(oldest));
                        model.remove(oldest);
                    } else {
                        prop_assert!(closed.is_none());
                    }
                }
                Step::Take(origin) => {
                    let mut closing = Vec::new();
                    let taken = shelf.take(ORIGINS[origin], now, &mut closing);
                    let youngest = model.of(origin).last().copied();
                    let fresh = youngest.filter(|(parked, _)| now < *parked + BOUNDS.idle);
                    prop_assert_eq!(taken.as_ref().map(|taken| taken.id), fresh.map(|(_, id)| id));
                    prop_assert!(taken.iter().all(|taken| taken.origin == origin));
                    taken.iter().chain(&closing).for_each(|gone| model.remove(gone.id));
                    if fresh.is_none() {
                        prop_assert!(model.of(origin).is_empty(), "what is too old is closed");
                    }
                }
                Step::Offer(origin) => {
                    let (streams, open) = (Rc::default(), Rc::new(Cell::new(true)));
                    let connection = Multiplexed { origin, streams, open, has_place: false };
                    used.push(shelf.offer(ORIGINS[origin], connection, now));
                }
                Step::Share(origin) => used.extend(shelf.share(ORIGINS[origin], now)),
                Step::Crowd(origin) => used.extend(shelf.crowd(ORIGINS[origin], now)),
                Step::Leave(at) if at < used.len() => drop(used.remove(at)),
                Step::Close(at) if at < used.len() => used[at].open.set(false),
                Step::Leave(_) | Step::Close(_) => {}
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
                Step::Sweep => {
                    let mut closing = Vec::new();
                    let next = shelf.sweep(now, &mut closing);
                    closing.iter().for_each(|gone| model.remove(gone.id));
                    prop_assert!(model.idle.iter().all(|(parked, _, _)| now < *parked + BOUNDS.idle));
                    let due = model.idle.iter().map(|(parked, _, _)| *parked + BOUNDS.idle).min();
                    prop_assert!(due.is_none_or(|due| next.is_some_and(|next| next <= due)));
                    prop_assert_eq!(next.is_none(), shelf.is_empty());
                }
                Step::Http1Only(origin) => {
                    shelf.set_http1_only(ORIGINS[origin]);
                    prop_assert!(!shelf.is_shared(ORIGINS[origin]) || !shelf.is_http1_only(ORIGINS[origin]));
                }
            }
            prop_assert_eq!(shelf.idle(), model.idle.len());
            prop_assert_eq!(alive.get(), model.idle.len() as i32, "a connection is lost or kept");
            prop_assert!(ORIGINS.iter().filter(|origin| shelf.is_http1_only(origin)).count() <= BOUNDS.remembered);
            for (at, origin) in ORIGINS.iter().enumerate() {
                let own = shelf.origins.get(*origin).map_or(&[][..], |origin| &origin.shared);
                prop_assert!(own.len() <= BOUNDS.shared_per_origin);
                prop_assert!(own.iter().all(|(_, connection)| connection.origin == at));
            }
        }
    }
}
