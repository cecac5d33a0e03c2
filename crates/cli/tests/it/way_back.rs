//! What the command tells of the way to an executor through what stands in front of it.

use crate::support::{afield, code, run, serve, text};
use afield_testkit::{Front, Origin, within};
use std::{net::SocketAddr, process::Stdio};
use tokio::io::{AsyncBufReadExt, BufReader};

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("ws://").unwrap().parse().unwrap()
}

/// Proves that a field that a proxy in front has written is named, with the setting that mends it and whoever has to, in the
/// client's message, in the executor's log and in its audit (case 153).
#[tokio::test]
async fn refusal_names_field_in_message_log_and_audit() {
    for (name, value, word, came) in [
        ("Host", "evil.test", "host", "host: evil.test"),
        ("Origin", "https://app.test", "origin", "origin: https://app.test"),
        ("Connection", "close", "upgrade_lost", "connection: close, upgrade: websocket"),
    ] {
        let mut command =
            afield(&["serve", "--listen", "ws://127.0.0.1:0", "--audit", "stderr", "--log", "info"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = within("the executor's URL", printed.next_line()).await.unwrap().unwrap();
        let front = Front::start([address(&url)]).await;
        front.add(name, value);
        let output = run(afield(&["request", "--executor", &front.url(), "http://origin.test/"])).await;
        let said = text(&output.stderr);
        assert_eq!(code(&output), 104, "{said}");
        assert!(said.contains(came) && said.contains("the executor's operator decides"), "{said}");
        assert!(said.contains("nginx: ") && !said.contains("is `afield serve` running"), "{said}");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut logged, mut audited) = (false, false);
        while !(logged && audited) {
            let line = within("the log and the audit", lines.next_line()).await.unwrap().unwrap();
            if let Ok(event) = serde_json::from_str::<serde_json::Value>(&line) {
                audited |= event["reason"] == word && event["came"] == came;
            } else {
                logged |= line.contains("refused a connection") && line.contains(came);
            }
        }
    }
}

/// Proves that a forward proxy that lets nobody to the executor's port is named, with the setting that mends it, and is blamed
/// (case 153).
#[tokio::test]
async fn proxys_refusal_names_setting_that_mends_it() {
    let front = Front::start([]).await;
    front.answer("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    let proxy = format!("http://{}", front.address());
    let output = run(afield(&[
        "request",
        "--executor",
        "ws://192.0.2.1:7411",
        "--executor-proxy",
        &proxy,
        "--connect-timeout",
        "20",
        "http://origin.test/",
    ]))
    .await;
    let said = text(&output.stderr);
    assert_eq!(code(&output), 104, "{said}");
    for wanted in
        ["answered 403 when asked for 192.0.2.1:7411", "acl SSL_ports port 7411", "the network is at fault"]
    {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert_eq!(front.heads().len(), 1, "final");
}

/// Proves that `-v` tells each attempt that failed, why, and that another one follows; and that it is one attempt without
/// `--connect-timeout` (cases 148 and 151).
#[tokio::test]
async fn verbose_tells_each_attempt() {
    let origin = Origin::start().await;
    let (_executor, url) = serve(&[]).await;
    let front = Front::start([address(&url)]).await;
    front.answer_page(404);
    let target = origin.url("/status/200");
    let request = |more: &[&str]| {
        let mut command = afield(&["request", "-v", "--executor", &front.url()]);
        command.args(more).arg(&target);
        command
    };
    assert_eq!(code(&run(request(&[])).await), 104);
    assert_eq!(front.heads().len(), 1);
    let well = async {
        front.wait_answered(3).await;
        front.heal();
    };
    let (output, ()) = tokio::join!(run(request(&["--connect-timeout", "25"])), well);
    let said = text(&output.stderr);
    assert_eq!(code(&output), 0, "{said}");
    for attempt in [1, 2] {
        let told =
            format!("attempt {attempt} to connect failed, another one follows: the server answered 404");
        assert!(said.contains(&told), "{said}");
    }
    assert!(said.contains("a web page titled Moved away"), "{said}");
}
