//! Commands of a user with a home of their own, and a person who logs in.

use super::{afield, code, run, text};
use afield_testkit::within;
use std::{path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
};
use url::Url;

/// The binary, for the user of this home.
pub fn mcp(home: &Path, arguments: &[&str]) -> Command {
    let mut command = afield(arguments);
    command.env("HOME", home);
    command
}

/// Runs it to its end, which is a good one. What it said on stderr.
pub async fn works(home: &Path, arguments: &[&str]) -> String {
    let got = run(mcp(home, arguments)).await;
    assert_eq!(code(&got), 0, "{arguments:?}: {}", text(&got.stderr));
    text(&got.stderr)
}

/// Where the page sends the browser.
async fn signed_in(page: &Url) -> String {
    let mut stream = TcpStream::connect(page.socket_addrs(|| None).unwrap()[0]).await.unwrap();
    let target = &page[url::Position::BeforePath..];
    stream
        .write_all(format!("GET {target} HTTP/1.1\r\nhost: page\r\nconnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
    location.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Logs in by pasting the address that the browser ended at. What the command said on stderr.
pub async fn log_in(home: &Path, arguments: &[&str]) -> String {
    let mut command = mcp(home, arguments);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let conversation = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(page) = Url::parse(&line).ok().filter(Url::has_host) {
                let back = signed_in(&page).await;
                child.stdin.as_mut().unwrap().write_all(format!("{back}\n").as_bytes()).await.unwrap();
            } else {
                said.push_str(&line);
                said.push('\n');
            }
        }
    };
    within("the login's end", conversation).await;
    assert!(child.wait().await.unwrap().success(), "{said}");
    said
}
