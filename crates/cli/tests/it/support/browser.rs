//! Chromium without a window, and a web site for it.

use super::text;
use afield_testkit::within;
use std::{
    collections::HashMap,
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::mpsc,
};

/// Chromium. Every name that ends in `.test` leads to this machine.
pub struct Browser(());

/// A browser that runs until it is dropped.
pub struct Running {
    _child: Child,
    _profile: TempDir,
}

impl Browser {
    /// Chromium where it is installed; `None`, with a word about it, where it is not.
    pub fn find() -> Option<Self> {
        if std::process::Command::new("chromium")
            .arg("--version")
            .output()
            .is_ok_and(|got| got.status.success())
        {
            return Some(Self(()));
        }
        let is_required = std::env::var_os("AFIELD_REQUIRE_TOOLS").is_some();
        assert!(!is_required, "chromium is required and is not there; `cargo xtask setup` installs it");
        eprintln!("skipped: there is no chromium; `cargo xtask setup` installs it");
        None
    }

    /// Opens a page.
    pub fn open(&self, url: &str) -> Running {
        let profile = TempDir::new().unwrap();
        let child = command(&profile).arg(url).stdout(Stdio::null()).spawn().unwrap();
        Running { _child: child, _profile: profile }
    }

    /// Opens a page, and says what is shown.
    pub async fn dom(&self, url: &str) -> String {
        let profile = TempDir::new().unwrap();
        let shown = command(&profile).args(["--dump-dom", url]).stdout(Stdio::piped()).output();
        text(&within("the browser's end", shown).await.unwrap().stdout)
    }
}

fn command(profile: &TempDir) -> Command {
    let mut command = Command::new("chromium");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", profile.path());
    command.arg(format!("--user-data-dir={}", profile.path().join("profile").display()));
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-popup-blocking",
        "--no-proxy-server",
        "--host-resolver-rules=MAP *.test 127.0.0.1",
    ]);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// A web site that says what it is told to, and takes reports at `/report`.
pub struct Site {
    address: SocketAddr,
    pages: Arc<Mutex<HashMap<String, String>>>,
    reports: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
}

impl Site {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pages: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let (reported, reports) = mpsc::unbounded_channel();
        let told = pages.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, told.clone(), reported.clone()));
            }
        });
        Self { address, pages, reports: reports.into() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its URL by another name.
    pub fn url_as(&self, host: &str) -> String {
        format!("http://{host}:{}", self.address.port())
    }

    pub fn serve(&self, path: &str, page: String) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// The next report.
    pub async fn report(&self) -> String {
        within("a report", async { self.reports.lock().await.recv().await.unwrap() }).await
    }
}

async fn answer(
    mut stream: TcpStream,
    pages: Arc<Mutex<HashMap<String, String>>>,
    reported: mpsc::UnboundedSender<String>,
) {
    let mut asked = Vec::new();
    let (head, body) = loop {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(read) => asked.extend_from_slice(&piece[..read]),
        }
        let all = text(&asked);
        let Some((head, body)) = all.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let path = head.split(' ').nth(1).unwrap_or_default();
    if path == "/report" {
        let _ = reported.send(body);
    }
    let page = pages.lock().unwrap().get(path).cloned();
    let (status, page) = page.map_or(("404 Not Found", String::new()), |page| ("200 OK", page));
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
        page.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}
