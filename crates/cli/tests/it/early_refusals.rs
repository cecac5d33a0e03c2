//! An upload that a real nginx refuses while it is on its way (`client_max_body_size`): everybody hears the 413.

use crate::support::{Place, afield, code, curl, file, run, serve, text};
use afield_testkit::{require_or_skip, tls::Ca, tools::RealOrigin, within};
use std::process::Stdio;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const TIMES: usize = 10;
const UPLOAD: usize = 16 << 20;

/// Uploads with `http.client` as its users do: the answer is asked for also where sending has failed.
const PYTHON: &str = "
import http.client, sys, urllib.parse
url = urllib.parse.urlsplit(sys.argv[1])
for chunked in [False, True] * 5:
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    body = iter([b'x' * 65536] * 256) if chunked else b'x' * (16 << 20)
    connection.request('POST', url.path, body, encode_chunked=chunked, headers={'Transfer-Encoding': 'chunked'} if chunked else {})
    answer = connection.getresponse()
    answer.read()
    print(answer.status)
";

/// Proves that `afield request` hears the refusal ten times of ten, from here and from an executor in both dialects (case
/// 134).
#[tokio::test(flavor = "multi_thread")]
async fn case_134_command_hears_refusal() {
    let origin = require_or_skip!(RealOrigin::nginx(&Ca::new()));
    let url = format!("http://127.0.0.1:{}/limited", origin.port("plain"));
    let (_directory, path) = file(&vec![b'x'; UPLOAD]);
    let name = path.display().to_string();
    for place in Place::both().await {
        let dialects = if place.name() == "executor" { &["afield/1", "base"][..] } else { &["auto"] };
        for dialect in dialects {
            for time in 0..TIMES {
                let mut command =
                    place.request(&["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-T", &name, &url]);
                if *dialect == "base" {
                    command.args(["--dialect", "base"]);
                }
                let output = run(command).await;
                let said = (code(&output), text(&output.stdout), text(&output.stderr));
                assert_eq!(said, (0, "413".into(), String::new()), "{dialect}, time {time}");
            }
        }
    }
}

/// A gateway with a route `up` to the origin, through an executor or from here.
async fn gateway(origin: &str, executor: &str) -> (Child, String) {
    let route = format!("up={origin}");
    let mut command = afield(&["gateway", "--listen", "127.0.0.1:0", "--log", "off", "--route", &route]);
    let home = std::env::temp_dir();
    let mut child =
        command.args(["--executor", executor]).env("HOME", home).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = within("the gateway's URL", lines.next_line()).await.unwrap().expect("it says where it is");
    (child, format!("{url}/up"))
}

/// Proves that the callers of a gateway hear it ten times of ten: curl, and Python's `http.client` (case 134).
#[tokio::test(flavor = "multi_thread")]
async fn case_134_callers_of_gateway_hear_refusal() {
    let origin = require_or_skip!(RealOrigin::nginx(&Ca::new()));
    let limited = format!("http://127.0.0.1:{}/limited", origin.port("plain"));
    let (_directory, path) = file(&vec![b'x'; UPLOAD]);
    let name = path.display().to_string();
    let (_executor, executor) = serve(&[]).await;
    for place in ["local", &executor] {
        let (_gateway, url) = gateway(&limited, place).await;
        for chunked in [false, true].repeat(TIMES / 2) {
            let arguments =
                ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", "-T", &name, &url];
            let Some(mut command) = curl(&arguments) else { return };
            if chunked {
                command.args(["-H", "Transfer-Encoding: chunked"]);
            }
            let output = run(command).await;
            let said = (code(&output), text(&output.stdout), text(&output.stderr));
            assert_eq!(said, (0, "413".into(), String::new()), "{place}, chunked: {chunked}");
        }
        let mut command = Command::new("python3");
        command.args(["-c", PYTHON, &url]).stdin(Stdio::null()).kill_on_drop(true);
        let output = run(command).await;
        assert_eq!(text(&output.stdout), "413\n".repeat(TIMES), "{place}: {}", text(&output.stderr));
    }
}
