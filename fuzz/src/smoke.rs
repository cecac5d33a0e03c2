//! The brief, deterministic run: every seed, then mutations of them, the same on every machine.

use crate::{Target, mutate::mutate, rng::Rng, seeds};
use std::{
    fs, io,
    panic::{self, AssertUnwindSafe},
    path::Path,
    time::{Duration, Instant},
};

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After so many mutated inputs.
    Inputs(u64),
    /// After this time.
    Time(Duration),
}

/// Runs `target` over its seeds and mutations of them; returns how many inputs that were.
///
/// # Panics
///
/// When the target panics. The message says where the input was written.
///
/// # Errors
///
/// When the seeds cannot be read.
pub fn run(target: &Target, until: Until) -> io::Result<u64> {
    let seeds = seeds(target.name)?;
    for seed in &seeds {
        attempt(target, seed);
    }
    let begun = Instant::now();
    let mut tried = 0;
    loop {
        let done = match until {
            Until::Inputs(inputs) => tried >= inputs,
            Until::Time(time) => begun.elapsed() >= time,
        };
        if done {
            return Ok(seeds.len() as u64 + tried);
        }
        // Each input depends on its number alone, so that any one of them can be made again.
        let mut rng = Rng::new(tried);
        let mut input = seeds.get(rng.below(seeds.len())).cloned().unwrap_or_default();
        mutate(&mut input, &seeds, &mut rng);
        attempt(target, &input);
        tried += 1;
    }
}

fn attempt(target: &Target, input: &[u8]) {
    if panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        panic!("{} breaks on {}", target.name, keep(target.name, input));
    }
}

/// Writes the input below the build directory and says where; without a place to write, shows it.
fn keep(name: &str, input: &[u8]) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/fuzz");
    let path = directory.join(format!("{name}.broken"));
    let written = fs::create_dir_all(&directory).and_then(|()| fs::write(&path, input));
    match written {
        Ok(()) => format!("target/fuzz/{name}.broken; add it to fuzz/seeds/{name}/ once mended"),
        Err(_) => input.escape_ascii().to_string(),
    }
}
