//! A pair of afield/1 sessions in virtual time, cut and brought together again at every kind of moment.

mod counts;
mod ends;
mod exhaustive;
mod observer;
mod plan;
mod rng;
mod settle;
mod wire;
mod without;
mod world;

use counts::Counts;
use settle::Pace;
use std::panic::catch_unwind;
use without::Without;
use world::World;

/// The window of every body, in bytes: small, so that it is full all the time.
const WINDOW: u64 = 3000;

/// One whole run: many steps at random, then everything is brought to its end.
fn run(seed: u64, without: Option<Without>) -> Counts {
    let mut world = World::new(seed, without);
    let steps = 100 + world.rng.below(1000);
    for _ in 0..steps {
        world.step();
    }
    if world.rng.chance(5) {
        world.expire();
    }
    world.settle(Pace::Even);
    world.counts
}

/// Proves, over thousands of seeds, that whatever is cut when: every request is executed at most once, and exactly once
/// unless it was cancelled or the session went; every body arrives as an exact prefix, and whole if it ends cleanly; every
/// call ends in exactly one outcome; nobody sends beyond its credit, out of order or out of turn; nobody keeps more than a
/// window and a chunk; and nothing is left behind. `AFIELD_SEED` replays one.
#[test]
fn nothing_is_lost_and_nothing_repeated_whatever_is_cut_when() {
    if let Some(seed) = std::env::var("AFIELD_SEED").ok().and_then(|seed| seed.parse().ok()) {
        println!("{:?}", run(seed, None));
        return;
    }
    let mut total = std::collections::BTreeMap::<String, u64>::new();
    for seed in 0..2000 {
        let counts = catch_unwind(|| run(seed, None))
            .unwrap_or_else(|_| panic!("seed {seed} breaks a promise: AFIELD_SEED={seed} replays it"));
        for (name, count) in counts.each() {
            *total.entry(name).or_default() += count;
        }
    }
    println!("{total:?}");
    let rare: Vec<_> = total.iter().filter(|(_, count)| **count < 20).collect();
    assert!(rare.is_empty(), "the seeds hardly ever come to {rare:?}");
}

/// Proves that the rules for which the specification gives a reason are needed, and that the simulation would notice
/// their absence: with each of them taken away, some seed loses, repeats or strands something.
#[test]
fn without_any_one_rule_the_simulation_finds_a_counterexample() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = Without::ALL.map(|rule| (rule, (0..300).find_map(|seed| counterexample(seed, rule))));
    std::panic::set_hook(loud);
    found.iter().for_each(|(rule, counterexample)| println!("without {rule:?}: {counterexample:?}"));
    let unnoticed: Vec<_> = found.iter().filter(|(_, counterexample)| counterexample.is_none()).collect();
    assert!(unnoticed.is_empty(), "no counterexample was found: {unnoticed:?}");
}

/// Proves that each reason that the specification gives is one of those rules, and each of those rules has its reason.
#[test]
fn every_rule_that_says_why_is_one_that_is_taken_away() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    let document = std::fs::read_to_string(document).unwrap();
    let reasons: Vec<_> = document.lines().filter_map(|line| line.strip_prefix("> ")).collect();
    let reasons: Vec<_> = reasons.into_iter().filter(|line| line.starts_with("Why")).collect();
    for rule in Without::ALL {
        let found = reasons.iter().filter(|reason| reason.starts_with(rule.why())).count();
        assert_eq!(found, 1, "{rule:?}");
    }
    assert_eq!(reasons.len(), Without::ALL.len(), "{reasons:#?}");
}

/// The promise that this seed breaks without this rule, if it does.
fn counterexample(seed: u64, rule: Without) -> Option<String> {
    let panic = catch_unwind(|| run(seed, Some(rule))).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
}
