//! What a hostile peer or origin can do to `afield serve`, one after the other: somebody honest is served meanwhile, memory
//! and descriptors stay bounded, and both are as before when it is over. Each prints what was measured.

use crate::support::{Place, afield, code, run};
use afield_testkit::{
    Origin, Peer, Process, RawOrigin, Script, Upgrade,
    peer::{End, Frame, opcode},
    within,
};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    io::{ErrorKind, Write},
    net::SocketAddr,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

const MIB: u64 = 1024 * 1024;
/// By how much memory may grow.
const GROWTH: u64 = 40 * MIB;
/// By how many descriptors, when it is over.
const LEFT_OVER: usize = 5;

/// An executor, somebody honest whom it serves, and what it used before anything happened.
struct Executor {
    process: Process,
    address: SocketAddr,
    origin: Origin,
    honest: Peer,
    rss: u64,
    fds: usize,
}

impl Executor {
    async fn start(limits: &[&str]) -> Self {
        let mut command = afield(&["serve", "--listen", "ws://127.0.0.1:0", "--log", "off"]);
        command.args(limits.iter().flat_map(|limit| ["--limit", *limit]));
        let process = Process::start(command).unwrap();
        let url = process.stdout().wait_line("ws://").await;
        let address = url.strip_prefix("ws://").unwrap().parse().unwrap();
        let mut honest = Upgrade::to(address).open().await.unwrap();
        honest.initialize(json!({ "clientName": "honest" })).await;
        let origin = Origin::start().await;
        let mut executor = Self { process, address, origin, honest, rss: 0, fds: 0 };
        for _ in 0..20 {
            executor.serves().await;
        }
        let usage = executor.process.usage();
        (executor.rss, executor.fds) = (usage.rss_bytes().unwrap(), usage.open_fds().unwrap());
        executor
    }

    /// The honest one is served.
    async fn serves(&mut self) {
        let url = self.origin.url("/echo");
        let answer = self.honest.call("http/request", get(&url)).await;
        assert_eq!(answer["result"]["status"], 200, "{answer}");
    }

    /// Another honest one is let in and served.
    async fn lets_in(&self) {
        let mut peer = Upgrade::to(self.address).open().await.unwrap();
        peer.initialize(json!({ "clientName": "another" })).await;
        let answer = peer.call("http/request", get(&self.origin.url("/echo"))).await;
        assert_eq!(answer["result"]["status"], 200, "{answer}");
    }

    fn fds(&self) -> usize {
        self.process.usage().open_fds().unwrap()
    }

    /// A session of somebody hostile, who reads little.
    async fn hostile(&self, initialize: Value) -> Peer {
        let mut peer = Upgrade::to(self.address).receive_buffer(16 * 1024).open().await.unwrap();
        peer.initialize(initialize).await;
        peer
    }

    /// Everything is as before, and memory never grew by more than it may.
    async fn recovers(mut self, abuse: &str, fds_during: usize) {
        let limit = self.fds + LEFT_OVER;
        within("descriptors are as before", async {
            while self.fds() > limit {
                self.serves().await;
            }
        })
        .await;
        self.lets_in().await;
        let usage = self.process.usage();
        let (peak, after) = (usage.peak_rss_bytes().unwrap(), usage.rss_bytes().unwrap());
        eprintln!(
            "{abuse}: memory {} KiB, at most {}, then {}; descriptors {}, {fds_during} meanwhile, then {}",
            self.rss / 1024,
            peak / 1024,
            after / 1024,
            self.fds,
            self.fds(),
        );
        assert!(peak < self.rss + GROWTH, "{abuse}: memory grew from {} to {peak}", self.rss);
    }
}

fn get(url: &str) -> Value {
    json!({ "method": "GET", "url": url, "requestId": "buffered-request" })
}

/// Proves that hundreds of upgrades that are never finished, silent or drip by drip, hold no more places than strangers have.
#[tokio::test(flavor = "multi_thread")]
async fn case_083_hundreds_of_half_open_upgrades_take_only_the_places_of_strangers() {
    let mut executor = Executor::start(&[]).await;
    let mut half_open = Vec::new();
    for number in 0..500 {
        let connection = TcpStream::connect(executor.address).await.unwrap();
        if number % 2 == 0 {
            // It may have had to give way already.
            let _ = connection.try_write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
        }
        half_open.push(connection);
    }
    let mut most = 0;
    for _ in 0..20 {
        half_open.iter().step_by(2).for_each(|connection| drop(connection.try_write(b"x")));
        executor.serves().await;
        executor.lets_in().await;
        most = most.max(executor.fds());
    }
    // Each of the others who were let in may be about to leave.
    assert!(most <= executor.fds + 64 + 20 + LEFT_OVER, "{most} descriptors, {} before", executor.fds);
    drop(half_open);
    executor.recovers("half-open upgrades", most).await;
}

/// Proves that thousands of connections that go as they come, in good order or not, leave nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn case_083_thousands_of_connections_that_come_and_go_leave_nothing() {
    let mut executor = Executor::start(&[]).await;
    let mut most = 0;
    for number in 0..3000 {
        let connection = TcpStream::connect(executor.address).await.unwrap();
        if number % 2 == 0 {
            connection.set_zero_linger().unwrap();
        }
        drop(connection);
        if number % 100 == 0 {
            executor.serves().await;
            most = most.max(executor.fds());
        }
    }
    executor.recovers("connections that come and go", most).await;
}

/// Proves that heads without end are cut off long before they are stored, and headers of requests over their limit refused.
#[tokio::test(flavor = "multi_thread")]
async fn floods_of_headers_are_cut_off() {
    let mut executor = Executor::start(&[]).await;
    let mut floods: JoinSet<std::io::Result<Infallible>> = JoinSet::new();
    for number in 0..64 {
        let mut connection = TcpStream::connect(executor.address).await.unwrap();
        floods.spawn(async move {
            let one = if number % 2 == 0 { "x".repeat(64 * 1024) } else { "X-Y: z\r\n".repeat(8 * 1024) };
            connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ").await?;
            loop {
                connection.write_all(one.as_bytes()).await?;
            }
        });
    }
    let mut most = 0;
    while let Some(flooded) = within("a flood is cut off", floods.join_next()).await {
        let kind = flooded.unwrap().unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind}");
        executor.serves().await;
        most = most.max(executor.fds());
    }
    let mut peer = executor.hostile(json!({ "clientName": "hostile" })).await;
    for _ in 0..20 {
        let mut request = get(&executor.origin.url("/never"));
        request["headers"] = json!([{ "name": "x-long", "value": "x".repeat(MIB as usize) }]);
        let answer = peer.call("http/request", request).await;
        let said = answer["error"]["message"].as_str().unwrap();
        assert!(said.starts_with("http/request headers are too large:"), "{said}");
        executor.serves().await;
    }
    drop(peer);
    assert!(executor.origin.requests().iter().all(|request| request.target() != "/never"));
    executor.recovers("floods of headers", most).await;
}

/// Proves that peers that ask for large bodies and read none of them cost what may be owed to them, in either dialect, also
/// where they offer the largest windows, and that nothing is left when they are gone.
#[tokio::test(flavor = "multi_thread")]
async fn case_089_large_bodies_that_nobody_reads_cost_what_may_be_owed() {
    for dialects in [json!([]), json!(["afield/1"])] {
        let mut executor =
            Executor::start(&["queuedBytes=1048576", "sessionBodyBytes=4194304", "graceMs=1000"]).await;
        let before = executor.origin.received();
        let mut unread = Vec::new();
        for _ in 0..4 {
            let mut peer = executor
                .hostile(json!({ "clientName": "hostile", "dialects": dialects, "windowBytes": 16 * MIB }))
                .await;
            for id in 1..=8 {
                let base = json!({ "method": "GET", "url": executor.origin.url("/bytes/104857600"),
                    "requestId": format!("s{id}"), "streamResponse": true });
                let mut request = json!({ "id": id, "method": "http/request", "params": base });
                if dialects != json!([]) {
                    request["params"]["requestId"] = json!(id);
                }
                peer.send_json(&request).await;
            }
            unread.push(peer);
        }
        within("all are asked for", async {
            while executor.origin.requests().iter().filter(|request| request.target() != "/echo").count() < 32
            {
                executor.serves().await;
            }
        })
        .await;
        for _ in 0..200 {
            executor.serves().await;
        }
        assert!(executor.origin.received() >= before + 232);
        let during = executor.fds();
        drop(unread);
        executor.recovers(&format!("bodies that nobody reads, {dialects}"), during).await;
    }
}

/// Proves that answers that are never acknowledged use up their session's places and no more: from then on each request is
/// refused without being sent, whoever goes on all the same is shown out, and other sessions are served.
#[tokio::test(flavor = "multi_thread")]
async fn case_089_answers_that_are_never_acknowledged_use_up_their_session_alone() {
    const PLACES: usize = 300;
    let mut executor = Executor::start(&["sessionRequests=300", "graceMs=1000"]).await;
    let mut during = 0;
    for round in 1..=4 {
        let mut peer = executor.hostile(json!({ "clientName": "hostile", "dialects": ["afield/1"] })).await;
        let url = executor.origin.url("/early/200");
        let (mut answered, mut refused) = (0, 0);
        let end = loop {
            let id = answered + refused + 1;
            let params = json!({ "method": "GET", "url": url, "requestId": id });
            peer.send_json(&json!({ "id": id, "method": "http/request", "params": params })).await;
            let answer: Value = match peer.message().await {
                Ok(message) => serde_json::from_str(message.to_text().unwrap()).unwrap(),
                Err(end) => break end,
            };
            match &answer {
                answer if answer["result"]["status"] == 200 => answered += 1,
                answer if answer["error"]["data"]["kind"] == "overloaded" => refused += 1,
                answer => panic!("{answer}"),
            }
            if id % 100 == 0 {
                executor.serves().await;
                during = during.max(executor.fds());
            }
        };
        assert_eq!(end, End::Closed(1008, "too many answers are unacknowledged".to_owned()));
        assert_eq!((answered, refused), (PLACES, 3 * PLACES));
        let requests = executor.origin.requests();
        let sent = requests.iter().filter(|request| request.target() == "/early/200").count();
        assert_eq!(sent, round * PLACES);
    }
    executor.recovers("answers that are never acknowledged", during).await;
}

/// Proves that a decompression bomb passes an executor as it came, and that whoever decodes it stops at his limit.
#[tokio::test(flavor = "multi_thread")]
async fn case_074_a_decompression_bomb_passes_untouched_and_is_decoded_to_the_limit() {
    let mut executor = Executor::start(&[]).await;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0; MIB as usize];
    for _ in 0..256 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
    let origin = RawOrigin::always(Script::answering([head.as_bytes(), &bomb].concat())).await;
    let url = format!("ws://{}", executor.address);
    for _ in 0..4 {
        let whole = ["-s", "--executor", &url, &origin.url("/")];
        assert_eq!(run(afield(&[&["request"], &whole[..]].concat())).await.stdout, bomb);
        executor.serves().await;
    }
    let decoding = ["--compressed", "--max-decoded", "1M", &origin.url("/")];
    let through = ["request", "-sS", "--executor", &url];
    for command in [afield(&[&through, &decoding[..]].concat()), Place::local().request(&decoding)] {
        let got = run(command).await;
        assert_eq!(code(&got), 63);
        assert!(got.stdout.len() as u64 <= MIB, "{} bytes", got.stdout.len());
    }
    let during = executor.fds();
    drop(origin);
    executor.recovers(&format!("a bomb of {} bytes for 256 MiB", bomb.len()), during).await;
}

/// Proves that peers that flood with pings and read nothing are a burden to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn case_089_floods_of_pings_are_a_burden_to_nobody() {
    let mut executor = Executor::start(&[]).await;
    let thousand = Frame::new(opcode::PING, "a long ping").bytes().repeat(1000);
    let mut floods = JoinSet::new();
    for _ in 0..4 {
        let mut peer = executor.hostile(json!({ "clientName": "hostile" })).await;
        let thousand = thousand.clone();
        floods.spawn(async move {
            for _ in 0..100 {
                peer.send_raw(thousand.clone()).await.unwrap();
            }
            peer
        });
    }
    let (mut flooded, mut during) = (Vec::new(), 0);
    while flooded.len() < 4 {
        executor.serves().await;
        during = during.max(executor.fds());
        while let Some(peer) = floods.try_join_next() {
            flooded.push(peer.unwrap());
        }
    }
    drop(flooded);
    executor.recovers("floods of pings", during).await;
}
