//! What bodies without end cost in memory, measured on a process of its own.

use afield_egress::{Egress, EgressConfig};
use afield_exchange::{Request, detail};
use afield_testkit::process::Usage;
use afield_testkit::raw::{RawOrigin, Script};
use afield_testkit::{Process, within};
use std::io::{BufRead, Write};
use tokio::process::Command;

const MIB: u64 = 1024 * 1024;

/// The limit on buffered bodies in the measured process.
const CAP: u64 = 64 * MIB;

/// Names the origin that the measured process calls.
const ORIGIN: &str = "AFIELD_TEST_ENDLESS_ORIGIN";

/// Not a test: the process that is measured. Does one thing for each line it reads, and says when it has done it.
#[test]
#[ignore = "the process that the tests of memory measure"]
fn measured() {
    let Ok(url) = std::env::var(ORIGIN) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut config = EgressConfig::default();
    config.limits.buffered_body_bytes = CAP as usize;
    let egress = Egress::new(config).unwrap();
    let mut streaming = None;
    let say = |said: &str| {
        println!("\n{said}");
        std::io::stdout().flush().unwrap();
    };
    runtime.block_on(egress.call(Request::get(format!("{url}warm-up")))).unwrap();
    say("warm");
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "buffer" => {
                let error = runtime.block_on(egress.call(Request::get(url.as_str()))).unwrap_err();
                say(&format!("ended {}", error.detail().unwrap_or_default()));
            }
            "stream" => {
                let mut response = runtime.block_on(egress.send(Request::get(url.as_str()))).unwrap();
                let first = runtime.block_on(response.body.next()).unwrap().unwrap();
                streaming = Some(response);
                say(&format!("streaming {}", first.len()));
            }
            "read" => {
                let body = &mut streaming.as_mut().unwrap().body;
                let mut taken = 0;
                while taken < CAP as usize {
                    taken += runtime.block_on(body.next()).unwrap().unwrap().len();
                }
                say("read");
            }
            other => panic!("{other}?"),
        }
    }
}

async fn endless() -> RawOrigin {
    let warm = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    RawOrigin::builder()
        .script(Script::new().expect_head().send(warm).close())
        .otherwise(Script::new().expect_head().send("HTTP/1.1 200 OK\r\n\r\n").flood(vec![b'x'; 64 * 1024]))
        .buffers(64 * 1024, 64 * 1024)
        .start()
        .await
        .unwrap()
}

async fn measured_process(origin: &RawOrigin) -> (Process, Usage) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["memory::measured", "--exact", "--ignored", "--nocapture"]).env(ORIGIN, origin.url("/"));
    let process = Process::start(command).unwrap();
    process.stdout().wait_line("warm").await;
    let usage = process.usage();
    (process, usage)
}

/// Proves that a buffered body without end costs no more than the limit and a tenth, and that its connection is closed.
#[tokio::test]
async fn case_071_a_buffered_endless_body_costs_its_limit_and_no_more() {
    let origin = endless().await;
    let (mut process, usage) = measured_process(&origin).await;
    let before = usage.rss_bytes().unwrap();
    process.write_stdin(b"buffer\n").await.unwrap();
    let ended = process.stdout().wait_line("ended").await;
    assert!(ended.ends_with(detail::RESPONSE_BODY), "{ended}");
    let grown = usage.peak_rss_bytes().unwrap().saturating_sub(before);
    assert!(grown >= CAP / 2, "the measure sees the body: {grown}");
    assert!(grown <= CAP + CAP / 10, "{grown} bytes for a limit of {CAP}");
    origin.connection(1).await.wait_closed().await;
}

/// Proves that a streamed body without end costs next to nothing, whether its consumer pauses or reads on, and that the origin
/// is held back meanwhile.
#[tokio::test]
async fn case_072_a_streamed_endless_body_costs_next_to_nothing() {
    let origin = endless().await;
    let (mut process, usage) = measured_process(&origin).await;
    let before = usage.rss_bytes().unwrap();
    process.write_stdin(b"stream\n").await.unwrap();
    process.stdout().wait_line("streaming").await;
    let connection = origin.connection(1).await;
    let mut last = 0;
    let held = within("the origin is held back", async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            match connection.sent_count() {
                count if count == last && count > 0 => return count,
                count => last = count,
            }
        }
    })
    .await;
    assert!(held < 16 * MIB, "{held} bytes were taken that nobody read");
    process.write_stdin(b"read\n").await.unwrap();
    process.stdout().wait_line("read").await;
    let grown = usage.peak_rss_bytes().unwrap().saturating_sub(before);
    assert!(grown <= 8 * MIB, "{grown} bytes after {CAP} were streamed");
    process.kill();
    connection.wait_closed().await;
}
