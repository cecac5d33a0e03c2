//! One principal takes whatever it can get from `afield serve`: another is served as before, memory stays below what may be
//! kept and a fifth, and comes back. Each prints what was measured.

use crate::{
    access::new_token,
    support::{afield, code, run, text},
};
use afield_testkit::{
    Origin, Peer, Process, RawOrigin, Script, Upgrade,
    peer::{End, Frame, Message, Refused, opcode},
    within,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::net::SocketAddr;

const MIB: usize = 1024 * 1024;
/// What may be kept, for two principals.
const KEPT: usize = 128 * MIB;

/// An executor with two principals.
struct Executor {
    process: Process,
    address: SocketAddr,
    origin: Origin,
    greedy: String,
    other: String,
    rss: u64,
}

impl Executor {
    async fn start(limits: &[&str]) -> Self {
        Self::within("", limits).await
    }

    /// After this command of a shell.
    async fn within(shell: &str, limits: &[&str]) -> Self {
        let [(greedy, greedy_line), (other, other_line)] =
            [new_token("greedy").await, new_token("other").await];
        let digests = [greedy_line, other_line].map(|line| line.replacen(' ', "=", 1)).join(",");
        let mut command = tokio::process::Command::new("/bin/sh");
        command.env_clear().kill_on_drop(true).arg("-c").arg(format!("{shell}\nexec \"$@\"")).arg("sh");
        command.arg(env!("CARGO_BIN_EXE_afield"));
        command.args(["serve", "--listen", "ws://127.0.0.1:0", "--log", "off", "--token-sha256", &digests]);
        for limit in [&["keptBytes=134217728", "shares=2"], limits].concat() {
            command.args(["--limit", limit]);
        }
        let process = Process::start(command).unwrap();
        let url = process.stdout().wait_line("ws://").await;
        let address = url.strip_prefix("ws://").unwrap().parse().unwrap();
        let mut executor = Self { process, address, origin: Origin::start().await, greedy, other, rss: 0 };
        for _ in 0..20 {
            executor.serves_another().await;
        }
        executor.rss = executor.process.usage().rss_bytes().unwrap();
        executor
    }

    async fn open(&self, token: &str) -> Result<Peer, Refused> {
        Upgrade::to(self.address).bearer(token).open().await
    }

    async fn greedy(&self, dialects: &Value) -> Peer {
        let mut peer = self.open(&self.greedy).await.unwrap();
        peer.initialize(json!({ "clientName": "greedy", "dialects": dialects })).await;
        peer
    }

    /// Another principal connects, begins a session, and is served.
    async fn serves_another(&self) {
        let mut peer = self.open(&self.other).await.unwrap();
        peer.initialize(json!({ "clientName": "other" })).await;
        let params = json!({ "method": "GET", "url": self.origin.url("/bytes/1048576"), "requestId": "r" });
        let answer = peer.call("http/request", params).await;
        assert_eq!(answer["result"]["status"], 200, "{answer}");
        peer.close(1000, "").await;
    }

    /// Memory never was more than it may be.
    async fn stayed_below(&self, what: &str) -> u64 {
        self.serves_another().await;
        let usage = self.process.usage();
        let (now, peak) = (usage.rss_bytes().unwrap(), usage.peak_rss_bytes().unwrap());
        let most = (KEPT + KEPT / 5) as u64;
        eprintln!("{what}: memory {} KiB, at most {}, then {}", self.rss / 1024, peak / 1024, now / 1024);
        assert!(peak < most, "{what}: {peak} of {most}");
        peak
    }

    /// Memory never was more than it may be, and is as before.
    async fn recovers(&self, what: &str) {
        let peak = self.stayed_below(what).await;
        let enough = self.rss + self.rss / 5;
        within(&format!("memory is as before ({} KiB, {peak} at most): {what}", self.rss / 1024), async {
            while self.process.usage().rss_bytes().unwrap() > enough {
                self.serves_another().await;
            }
        })
        .await;
    }
}

fn kind(answer: &Value) -> &str {
    answer["error"]["data"]["kind"].as_str().unwrap_or_default()
}

/// Proves that buffered answers that never come to their end take no more than the share of whoever asks: the others are
/// refused as overloaded, another principal is served meanwhile, and all is given back (cases 138, 141).
#[tokio::test(flavor = "multi_thread")]
async fn case_138_141_buffered_answers_that_stall_take_their_share() {
    let executor = Executor::start(&[]).await;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 46 * MIB + 1);
    let answer = [head.as_bytes(), &vec![7; 46 * MIB]].concat();
    let origin = RawOrigin::always(Script::new().expect_request().send(answer).hang()).await;
    let mut greedy = executor.greedy(&json!([])).await;
    for at in 0..40 {
        let params = json!({ "method": "GET", "url": origin.url("/"), "requestId": format!("r{at}") });
        greedy.start("http/request", params).await;
    }
    for _ in 0..38 {
        let answer = greedy.json().await;
        assert_eq!((kind(&answer), &answer["error"]["data"]["retry"]), ("overloaded", &json!("unknown")));
    }
    executor.serves_another().await;
    drop(greedy);
    executor.recovers("40 buffered answers of 46 MiB that stall").await;
}

/// Proves that memory comes back from many bodies that were kept in small pieces, as it does from large ones, however often they
/// are kept (case 141).
#[tokio::test(flavor = "multi_thread")]
async fn case_141_bodies_of_small_pieces_are_given_back() {
    let executor = Executor::start(&["graceMs=100", "sessionBodyBytes=1073741824"]).await;
    for size in [300, 4000] {
        let chunk = format!("{size:x}\r\n{}\r\n", "x".repeat(size));
        let body = chunk.repeat(MIB / size);
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}");
        let origin = RawOrigin::always(Script::new().expect_request().send(answer).hang()).await;
        let mut greedy = executor.greedy(&json!(["afield/1"])).await;
        let before = executor.process.usage().rss_bytes().unwrap();
        for id in 1..=60 {
            let params = json!({ "method": "GET", "url": origin.url("/"), "requestId": id });
            greedy.send_json(&json!({ "id": id, "method": "http/request", "params": params })).await;
        }
        within("the bodies are kept", async {
            while executor.process.usage().rss_bytes().unwrap() < before + 40 * MIB as u64 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        greedy.vanish();
        drop(origin);
        executor.recovers(&format!("60 bodies in pieces of {size} bytes")).await;
    }
}

/// Proves that uploads in whole messages take no more than the share of whoever sends them: the others are refused under
/// their own ids, safe to be sent again, and the connection lives on (cases 138, 139, 141).
#[tokio::test(flavor = "multi_thread")]
async fn case_138_141_uploads_that_nobody_reads_take_their_share() {
    let executor = Executor::start(&[]).await;
    let origin = RawOrigin::always(Script::new().expect_head().deaf().hang()).await;
    let mut greedy = executor.greedy(&json!([])).await;
    let body = STANDARD.encode(vec![7; 30 * MIB]);
    for at in 0..5 {
        let params = json!({ "method": "POST", "url": origin.url("/"), "requestId": format!("r{at}"), "bodyBase64": body });
        greedy.start("http/request", params).await;
    }
    for _ in 0..3 {
        let answer = greedy.json().await;
        assert_eq!((kind(&answer), &answer["error"]["data"]["retry"]), ("overloaded", &json!("safe")));
    }
    executor.serves_another().await;
    let status = greedy.call("environment/status", json!({})).await;
    assert_eq!(status["result"]["status"], "ready", "{status}");
    drop((greedy, origin));
    executor.recovers("5 uploads of 30 MiB that nobody reads").await;
}

/// Proves that uploads that are kept to be repeated count for as long as they are kept (case 138).
#[tokio::test(flavor = "multi_thread")]
async fn case_138_uploads_that_are_kept_take_their_share() {
    let executor = Executor::start(&["graceMs=1000"]).await;
    let origin = RawOrigin::always(Script::new().expect_request().hang()).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("body");
    std::fs::write(&file, vec![7; 24 * MIB]).unwrap();
    let data = format!("@{}", file.display());
    let url = format!("ws://{}", executor.address);
    let mut uploads = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let to = origin.url("/");
        let mut command = afield(&["request", "-sS", "--executor", &url, "-d", &data, &to]);
        command.env("AFIELD_TOKEN", &executor.greedy);
        uploads.spawn(run(command));
    }
    for _ in 0..2 {
        let refused = within("an upload is refused", uploads.join_next()).await.unwrap().unwrap();
        let said = text(&refused.stderr);
        assert!(code(&refused) != 0 && said.contains("keeps in memory"), "{said}");
    }
    executor.serves_another().await;
    drop((uploads, origin));
    executor.stayed_below("6 uploads of 24 MiB that are kept").await;
}

/// Proves that heads that nobody acknowledges, and bodies that nobody reads, take no more than the share of whoever asked
/// (case 138).
#[tokio::test(flavor = "multi_thread")]
async fn case_138_what_is_not_acknowledged_takes_its_share() {
    let executor = Executor::start(&["graceMs=1000", "sessionBodyBytes=1073741824"]).await;
    let field = format!("x-large: {}\r\n", "x".repeat(60 * 1024));
    let head = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", field.repeat(5));
    let heads = RawOrigin::always(Script::answering(head)).await;
    let mut peers = Vec::new();
    let mut refused = 0;
    for _ in 0..15 {
        let mut greedy = executor.greedy(&json!(["afield/1"])).await;
        for id in 1..=40 {
            let params = json!({ "method": "GET", "url": heads.url("/"), "requestId": id });
            greedy.send_json(&json!({ "id": id, "method": "http/request", "params": params })).await;
        }
        for _ in 1..=40 {
            refused += usize::from(kind(&greedy.json().await) == "overloaded");
        }
        peers.push(greedy);
    }
    eprintln!("{refused} of 600 heads of 300 KiB were refused");
    assert!((200..600).contains(&refused));
    executor.serves_another().await;
    drop(peers);
    executor.stayed_below("600 heads that nobody acknowledges").await;
}

/// Proves that what HTTP/2 origins send ahead of bodies that nobody reads takes no more than the share of whoever asked
/// (case 138).
#[tokio::test(flavor = "multi_thread")]
async fn case_138_bodies_over_http2_that_nobody_reads_take_their_share() {
    let executor = Executor::start(&["graceMs=1000"]).await;
    let origin = Origin::builder().http2_prior_knowledge().start().await.unwrap();
    let mut greedy = executor.open(&executor.greedy).await.unwrap();
    greedy
        .initialize(json!({ "clientName": "greedy", "dialects": ["afield/1"], "windowBytes": 65536 }))
        .await;
    for id in 1..=420 {
        let url = origin.url("/bytes/4194304");
        let params =
            json!({ "method": "GET", "url": url, "requestId": id, "httpVersion": "2-prior-knowledge" });
        greedy.send_json(&json!({ "id": id, "method": "http/request", "params": params })).await;
    }
    // With the head, or later, when something came for which there was no room: then by an ABORT.
    let mut refused = 0;
    while refused < 200 {
        refused += usize::from(match greedy.message().await.unwrap() {
            Message::Text(text) => kind(&serde_json::from_str(&text).unwrap()) == "overloaded",
            Message::Binary(bytes) => bytes[1] & 2 != 0,
            _ => false,
        });
    }
    executor.serves_another().await;
    drop(greedy);
    executor.stayed_below("420 bodies over HTTP/2 that nobody reads").await;
}

/// Proves that a message of very many small parts takes no more memory than one of as many bytes: what it would be read into
/// several times over is refused before it is kept, and the connection lives on (case 138).
#[tokio::test(flavor = "multi_thread")]
async fn case_138_messages_of_very_many_parts_take_no_more_than_their_bytes() {
    let executor = Executor::start(&[]).await;
    let mut greedy = executor.greedy(&json!([])).await;
    let list = |part: &str| format!("[{part}{}]", format!(",{part}").repeat(30 * MIB / (part.len() + 1)));
    let keys: String = (0..2_500_000).map(|n| format!("\"{n:x}\":0,")).collect();
    let get = "\"method\":\"GET\",\"url\":\"http://h.invalid/\",\"requestId\":\"r\"";
    let headers = list("{\"name\":\"\",\"value\":\"\"}");
    let held = list("{\"requestId\":1,\"headReceived\":true,\"received\":0,\"consumed\":0}");
    let messages = [
        ("http/request", format!("{{{get},\"headers\":{headers}}}"), 1, -32602),
        ("http/request", format!("{{{get},\"ruledOut\":{}}}", list("\"loopback\"")), 1, -32602),
        ("initialize", format!("{{\"clientName\":\"c\",\"dialects\":{}}}", list("\"\"")), 1, -32600),
        ("initialize", format!("{{\"clientName\":\"c\",\"features\":{}}}", list("\"\"")), 1, -32600),
        ("session/sync", format!("{{\"requests\":{held}}}"), 1, -32601),
        ("environment/status", format!("{{\"unknown\":{{{keys}\"x\":0}}}}"), -1, -32600),
    ];
    for (method, params, id, code) in messages {
        greedy.send_text(format!("{{\"id\":1,\"method\":\"{method}\",\"params\":{params}}}")).await;
        let answer = greedy.json().await;
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!(id), &json!(code)),
            "{method}: {answer}"
        );
    }
    drop(greedy);
    executor.stayed_below("messages of very many parts").await;
}

/// Proves that before a session has begun a message of more than 64 KiB is refused as it announces itself, and that
/// afterwards one that does not come to its end is given up in time (case 139).
#[tokio::test(flavor = "multi_thread")]
async fn case_139_a_message_that_never_ends_is_given_up() {
    let executor = Executor::start(&["messageMs=300"]).await;
    let endless = Frame::new(opcode::TEXT, vec![b' '; MIB]).claiming(63 * MIB as u64).bytes();
    for _ in 0..8 {
        let mut stranger = executor.open(&executor.greedy).await.unwrap();
        let _ = stranger.send_raw(endless.clone()).await;
        assert!(matches!(stranger.end().await, End::Closed(1009, _)));
    }
    let mut greedy = executor.greedy(&json!([])).await;
    greedy.send_raw(endless).await.unwrap();
    assert_eq!(greedy.end().await, End::Closed(1008, "a message did not come to its end in time".to_owned()));
    executor.stayed_below("messages that never end").await;
}

/// Proves that one principal that takes all connections, sessions and requests it can get is refused more, and that another
/// connects, begins and asks as before (case 140).
#[tokio::test(flavor = "multi_thread")]
async fn case_140_one_principal_takes_no_place_of_another() {
    let limits = ["connections=40", "sessions=24", "requests=16", "handshakeMs=60000", "graceMs=2000"];
    let hello = json!({ "clientName": "greedy", "dialects": ["afield/1"] });
    let executor = Executor::start(&limits).await;
    let waiting = RawOrigin::always(Script::new().expect_request().hang()).await;

    let mut connections = Vec::new();
    // What another has had of what is common comes back first.
    within("all that one may have", async {
        while connections.len() < 30 {
            connections.extend(executor.open(&executor.greedy).await);
        }
    })
    .await;
    assert_eq!(executor.open(&executor.greedy).await.unwrap_err().status(), Some(503));
    executor.serves_another().await;

    // What another has left behind is forgotten when its grace is over.
    let mut begun = 0;
    within("all sessions that one may have", async {
        while begun < 18 {
            let answer = connections[begun].call("initialize", hello.clone()).await;
            if answer["result"].is_object() {
                connections[begun].notify("initialized", json!({})).await;
                begun += 1;
            } else {
                assert_eq!(kind(&answer), "overloaded", "{answer}");
            }
        }
    })
    .await;
    for peer in &mut connections[18..] {
        assert_eq!(kind(&peer.call("initialize", hello.clone()).await), "overloaded");
    }
    executor.serves_another().await;

    for id in 1..=16 {
        let params = json!({ "method": "GET", "url": waiting.url("/"), "requestId": id });
        let request = json!({ "id": id, "method": "http/request", "params": params });
        connections[0].send_json(&request).await;
    }
    for _ in 0..4 {
        let answer = connections[0].json().await;
        assert_eq!((kind(&answer), &answer["error"]["data"]["retry"]), ("overloaded", &json!("safe")));
    }
    executor.serves_another().await;

    // Left behind, they wait for their clients: that is no place of another either.
    connections.into_iter().for_each(Peer::vanish);
    for _ in 0..30 {
        executor.serves_another().await;
    }
}

/// Proves that where descriptors are few, one principal that opens all the sockets it can get keeps nobody else out
/// (case 140).
#[tokio::test(flavor = "multi_thread")]
async fn case_140_descriptors_are_kept_for_others() {
    let executor = Executor::within("ulimit -n 256", &[]).await;
    let waiting = RawOrigin::always(Script::new().expect_request().hang()).await;
    let mut connections = Vec::new();
    while let Ok(mut peer) = executor.open(&executor.greedy).await {
        peer.initialize(json!({ "clientName": "greedy" })).await;
        for at in 0..8 {
            let params = json!({ "method": "GET", "url": waiting.url("/"), "requestId": format!("r{at}") });
            peer.start("http/request", params).await;
        }
        connections.push(peer);
        executor.serves_another().await;
    }
    let during = executor.process.usage().open_fds().unwrap();
    eprintln!("{} connections, {during} of 256 descriptors", connections.len());
    assert!(during < 256 - 16);
    executor.serves_another().await;
}
