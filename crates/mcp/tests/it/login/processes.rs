//! Many processes with one store.

use super::{World, local, token};
use afield_mcp::login::{Authorizer, ClientSettings, Protection, Server, TokenStore};
use std::{path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdout, Command},
};

const FOLDER: &str = "AFIELD_TEST_TOKENS";
const URL: &str = "AFIELD_TEST_URL";
const PLACEMENT: &str = "AFIELD_TEST_PLACEMENT";

/// Proves nothing by itself: it is what the processes of the next test run.
#[tokio::test]
async fn one_of_many_processes() {
    let (Ok(folder), Ok(url)) = (std::env::var(FOLDER), std::env::var(URL)) else { return };
    let store = TokenStore::new(folder, Protection::File);
    let server = Server::new(&url, std::env::var(PLACEMENT).unwrap()).unwrap();
    let authorizer = Authorizer::new(local(), server, store, ClientSettings::default());
    println!("\nready");
    let mut line = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut line).await.unwrap();
    println!("token {}", token(&authorizer).await);
    authorizer.settle().await;
}

/// Proves that of eight processes which all find the token ended one renews it, and that all get what it got: a refresh
/// token used twice would have cost all of them the login.
#[tokio::test]
async fn eight_processes_renew_once() {
    let world = World::start().await;
    world.site.set(|site| site.first_lasts = 0);
    world.logged_in().await;
    let tokens = many(8, &world.tokens(), &world.site.url(), "local").await;
    assert_eq!((world.site.refreshes(), world.site.revoked()), (1, 0));
    assert!(tokens.iter().all(|token| *token == tokens[0] && world.site.is_good(token)), "{tokens:?}");
}

/// What as many processes get which all ask at once.
pub async fn many(count: usize, folder: &Path, url: &str, placement: &str) -> Vec<String> {
    let mut processes: Vec<_> = (0..count).map(|_| start(folder, url, placement)).collect();
    for (_, lines) in &mut processes {
        says(lines, "ready").await;
    }
    for (process, _) in &mut processes {
        process.stdin.as_mut().unwrap().write_all(b"go\n").await.unwrap();
    }
    let mut tokens = Vec::new();
    for (process, lines) in &mut processes {
        tokens.push(says(lines, "token ").await);
        assert!(process.wait().await.unwrap().success());
    }
    tokens
}

fn start(folder: &Path, url: &str, placement: &str) -> (Child, BufReader<ChildStdout>) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "login::processes::one_of_many_processes", "--nocapture"])
        .env(FOLDER, folder)
        .env(URL, url)
        .env(PLACEMENT, placement)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap());
    (process, lines)
}

/// Waits for the line that begins so, and gives the rest of it.
async fn says(lines: &mut BufReader<ChildStdout>, beginning: &str) -> String {
    let found = async {
        loop {
            let mut line = String::new();
            assert_ne!(lines.read_line(&mut line).await.unwrap(), 0, "it ended before it said {beginning:?}");
            if let Some(rest) = line.trim_end().strip_prefix(beginning) {
                return rest.to_owned();
            }
        }
    };
    afield_testkit::within(format!("a process says {beginning:?}"), found).await
}
