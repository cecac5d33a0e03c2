//! `afield mcp login` and `logout`.

use crate::support::{afield, code, run, serve, text};
use afield_testkit::{oauth::Site, within};
use std::{path::Path, process::Stdio};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
};
use url::Url;

fn mcp(home: &Path, arguments: &[&str]) -> Command {
    let mut command = afield(arguments);
    command.env("HOME", home);
    command
}

async fn works(home: &Path, arguments: &[&str]) -> String {
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
async fn log_in(home: &Path, arguments: &[&str]) -> String {
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

/// Proves that a person without a browser here logs in from either place, that the tokens are the user's own, and that a
/// logout has them taken back; and that nothing of them is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_and_a_logout_from_either_place() {
    let site = Site::start().await;
    let home = TempDir::new().unwrap();
    let home = home.path();
    let (_executor, url) = serve(&[]).await;
    works(home, &["executor", "add", "there", &url]).await;
    works(home, &["mcp", "add", "near", &site.url()]).await;
    works(home, &["mcp", "add", "far", &site.url(), "--environment", "there"]).await;
    for (round, name) in ["near", "far"].into_iter().enumerate() {
        let said = log_in(home, &["mcp", "login", name, "--headless", "--scopes", "read,write"]).await;
        assert!(said.contains(&format!("{name}: logged in at {} for read, write", site.base())), "{said}");
        assert!(!said.contains("canary"), "{said}");
        assert!(home.join(".local/state/afield/tokens").exists() || cfg!(target_os = "macos"));
        let said = works(home, &["mcp", "logout", name]).await;
        assert!(said.contains("taken back"), "{said}");
        assert_eq!(site.revoked(), round + 1);
        assert!(works(home, &["mcp", "logout", name]).await.contains("nobody was logged in"));
    }
}

/// Proves that a login which is refused, or makes no sense, says why and with which code.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_says_why() {
    let site = Site::start().await;
    let home = TempDir::new().unwrap();
    let home = home.path();
    works(home, &["mcp", "add", "docs", &site.url()]).await;
    works(home, &["mcp", "add", "keyed", &site.url(), "--header", "Authorization: canary"]).await;
    site.set(|site| site.metadata = serde_json::json!({"code_challenge_methods_supported": ["plain"]}));
    for (name, expected, why) in
        [("docs", 107, "PKCE"), ("keyed", 2, "Authorization"), ("nobody", 2, "nobody")]
    {
        let got = run(mcp(home, &["mcp", "login", name, "--headless"])).await;
        assert_eq!(code(&got), expected, "{}", text(&got.stderr));
        let said = text(&got.stderr);
        assert!(said.contains(why) && !said.contains("canary"), "{said}");
    }
}
