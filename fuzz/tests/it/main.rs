//! Every fuzz target, briefly, with the same inputs on every machine and without a nightly toolchain.

mod operations;

use afield_fuzz::{
    TARGETS, seeds,
    smoke::{self, Until},
};
use std::path::Path;

/// Enough to reach past the shallow checks, in a few seconds without optimisation.
const INPUTS: u64 = 40_000;

fn survive(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    let inputs = smoke::run(target, Until::Inputs(INPUTS)).unwrap();
    assert!(inputs > INPUTS, "the seeds count too");
}

/// Proves that whatever an executor answers, a client takes no head that an HTTP library would have refused, keeps no text
/// beyond its bound, and does not panic (case 162).
#[test]
fn answers_survive_mutated_messages() {
    survive("answers");
}

/// Proves that no broken message makes an executor panic, leave a call unanswered, answer it twice, or answer with
/// something that is not a message.
#[test]
fn frame_decoding_survives_mutated_messages() {
    survive("frame_decoding");
}

/// Proves that what is read of an event stream does not depend on how the network split it, has a bound, and ends at what is no
/// event (case 111).
#[test]
fn event_streams_survive_mutation() {
    survive("event_streams");
}

/// Proves that no request line and no header field leads out of a gateway's route, or lets a foreign page in (cases 160 and
/// 161).
#[test]
fn gateway_requests_survive_mutation() {
    survive("gateway_requests");
}

/// Proves that no header field a caller writes, however mutated, frames the request, concerns the hop alone, smuggles in
/// another field, names a second host, or gets past a limit.
#[test]
fn header_hygiene_survives_mutated_fields() {
    survive("header_hygiene");
}

/// Proves that whatever servers say of logins, nothing is asked that leads away from TLS, to loopback or to a cloud's credentials,
/// no token is sent that is no header field's value, and nothing secret is told (case 159).
#[test]
fn oauth_metadata_survives_mutated_documents() {
    survive("oauth_metadata");
}

/// Proves that no header of the PROXY protocol is taken for one that is none, and that nothing behind it is taken (case 144).
#[test]
fn proxy_protocol_survives_mutated_headers() {
    survive("proxy_protocol");
}

/// Proves that no head of an origin's, however mutated, reaches a caller with a field that is none or past a limit.
#[test]
fn response_heads_survive_mutation() {
    survive("response_heads");
}

/// Proves that whatever peers, callers and origins say and do in whatever order, neither end of an afield/1 session panics,
/// starts a request twice, keeps more than windows, miscounts what it owes, or keeps anything behind.
#[test]
fn resumable_survives_mutated_exchanges() {
    survive("resumable");
}

/// Proves that no target runs in one way only: each runs here, has seeds, and a cargo-fuzz entry that is declared.
#[test]
fn every_target_has_seeds_and_a_coverage_guided_entry() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(here.join("Cargo.toml")).unwrap();
    let tests = include_str!("main.rs");
    for target in TARGETS {
        assert!(
            tests.contains(&format!("survive(\"{}\")", target.name)),
            "{} does not run here",
            target.name
        );
        assert!(!seeds(target.name).unwrap().is_empty(), "{} has no seeds", target.name);
        let entry = format!("fuzz_targets/{}.rs", target.name);
        assert!(here.join(&entry).is_file(), "{entry} is missing");
        assert!(manifest.contains(&format!("path = \"{entry}\"")), "{entry} is not declared");
    }
}
