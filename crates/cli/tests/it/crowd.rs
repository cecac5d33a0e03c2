//! Fifty principals on one `afield serve`, beside one that does harm in every way that it has: nobody is shut out. How long calls
//! take then is measured by `cargo xtask bench --strangers`.

use afield_testkit::{
    Origin, Process, Upgrade,
    hostile::{Hostile, Way},
    pattern,
};
use serde_json::json;
use std::{fmt::Write, net::SocketAddr, sync::Arc};
use tokio::task::JoinSet;

/// Principals that behave.
const OTHERS: usize = 50;

/// How often each of them begins a session, and how many calls it makes there.
const SESSIONS: usize = 3;
const CALLS: usize = 4;

/// What may be kept in memory.
const KEPT: u64 = 128 << 20;
/// What the process may take beside it.
const ASIDE: u64 = 128 << 20;

struct Executor {
    /// Holds the tokens: whoever has none there any more is let in no more.
    _directory: tempfile::TempDir,
    process: Process,
    address: SocketAddr,
    origin: Origin,
    tokens: Vec<String>,
}

impl Executor {
    /// For so many principals and one more.
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tokens");
        let tokens: Vec<_> = (0..=OTHERS).map(|at| format!("the-token-of-principal-{at}")).collect();
        let lines = tokens.iter().enumerate().fold(String::new(), |mut lines, (at, token)| {
            writeln!(lines, "p{at} {}", pattern::sha256_of(token)).unwrap();
            lines
        });
        std::fs::write(&file, lines).unwrap();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_afield"));
        command.env_clear().kill_on_drop(true);
        command.args(["serve", "--listen", "ws://127.0.0.1:0", "--log", "off", "--token-file"]).arg(&file);
        for limit in [
            &format!("shares={}", OTHERS + 1),
            &format!("keptBytes={KEPT}"),
            "connections=204",
            "sessions=204",
            "requests=1020",
            "idleConnections=204",
            "graceMs=500",
        ] {
            command.args(["--limit", limit]);
        }
        let process = Process::start(command).unwrap();
        let url = process.stdout().wait_line("ws://").await;
        let address = url.strip_prefix("ws://").unwrap().parse().unwrap();
        Self { _directory: directory, process, address, origin: Origin::start().await, tokens }
    }

    /// One of the others connects, begins a session, and is answered.
    async fn serves(&self, token: &str, key: &str) {
        let mut peer = Upgrade::to(self.address).bearer(token).open().await.unwrap();
        peer.initialize(json!({ "clientName": "other" })).await;
        for call in 0..CALLS {
            let url = self.origin.url(&format!("/count?key={key}"));
            let params = json!({ "method": "POST", "url": url, "requestId": format!("r{call}") });
            let answer = peer.call("http/request", params).await;
            assert_eq!(answer["result"]["status"], 200, "{key}: {answer}");
        }
        peer.close(1000, "").await;
    }
}

/// Beside whoever does harm in a way of this case, all others are served, each call once, and memory stays below what it may be.
async fn others_are_served_beside(case: u16) {
    for way in Way::ALL.into_iter().filter(|way| way.case() == case) {
        let executor = Arc::new(Executor::start().await);
        let hostile = Hostile::new(executor.address, &executor.tokens[OTHERS]).await;
        let mut harm = Box::pin(hostile.harm(way));
        let mut others = JoinSet::new();
        for (at, token) in executor.tokens[..OTHERS].iter().enumerate() {
            let (executor, token, key) = (executor.clone(), token.clone(), format!("{}-{at}", way.name()));
            others.spawn(async move {
                for _ in 0..SESSIONS {
                    executor.serves(&token, &key).await;
                }
            });
        }
        tokio::select! {
            () = &mut harm => unreachable!("it goes on until it is dropped"),
            _ = others.join_all() => {}
        }
        for at in 0..OTHERS {
            let key = format!("{}-{at}", way.name());
            assert_eq!(executor.origin.executions(&key), (SESSIONS * CALLS) as u64, "{key}");
        }
        let peak = executor.process.usage().peak_rss_bytes().unwrap();
        eprintln!("{}: memory {} KiB at most", way.name(), peak / 1024);
        // What large messages were read into is given back a little later.
        assert!(peak < KEPT + ASIDE, "{}: {peak} of {KEPT}", way.name());
    }
}

/// Proves that fifty principals begin sessions, and have each call answered and executed once, beside one that takes all the memory it can get
/// (case 138).
#[tokio::test(flavor = "multi_thread")]
async fn case_138_others_are_served_beside_one_that_fills_memory() {
    others_are_served_beside(138).await;
}

/// Proves that fifty principals begin sessions, and have each call answered and executed once, beside one that sends messages that do not end
/// (case 139).
#[tokio::test(flavor = "multi_thread")]
async fn case_139_others_are_served_beside_one_that_sends_endless_messages() {
    others_are_served_beside(139).await;
}

/// Proves that fifty principals begin sessions, and have each call answered and executed once, beside one that takes all connections, sessions and requests it can get
/// (case 140).
#[tokio::test(flavor = "multi_thread")]
async fn case_140_others_are_served_beside_one_that_takes_every_place() {
    others_are_served_beside(140).await;
}

/// Proves that fifty principals begin sessions, and have each call answered and executed once, beside one that fails at the door
/// (case 142).
#[tokio::test(flavor = "multi_thread")]
async fn case_142_others_are_served_beside_one_that_fails_at_the_door() {
    others_are_served_beside(142).await;
}
