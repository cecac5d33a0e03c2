//! Runs the binary, an executor, and curl.

pub mod browser;
pub mod folder;
pub mod gateway;
pub mod home;
pub mod terminal;

use afield_testkit::{PATIENCE, within};
use std::{
    path::PathBuf,
    process::{Output, Stdio},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

/// Where requests leave from.
pub struct Place {
    executor: Option<(Child, String)>,
}

impl Place {
    pub fn local() -> Self {
        Self { executor: None }
    }

    /// An executor of its own, in a process of its own.
    pub async fn executor() -> Self {
        Self { executor: Some(serve(&[]).await) }
    }

    /// Both kinds: what is promised holds wherever a request leaves from.
    pub async fn both() -> [Self; 2] {
        [Self::local(), Self::executor().await]
    }

    /// `afield request` with these arguments.
    pub fn request(&self, arguments: &[&str]) -> Command {
        let mut command = afield(&["request"]);
        let url = self.executor.as_ref().map_or("local", |(_, url)| url);
        command.args(["--executor", url]).args(arguments);
        command
    }

    pub fn name(&self) -> &'static str {
        if self.executor.is_some() { "executor" } else { "local" }
    }
}

/// The binary, in a clean environment.
pub fn afield(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afield"));
    command.env_clear().args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Starts `afield serve` on a free port, and says its URL.
pub async fn serve(arguments: &[&str]) -> (Child, String) {
    let mut command = afield(&["serve", "--listen", "ws://127.0.0.1:0", "--log", "off"]);
    let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = within("the executor's URL", lines.next_line()).await.unwrap().expect("serve prints its URL");
    (child, url)
}

/// curl, deaf to the machine's configuration; `None`, with a word about it, where there is none.
pub fn curl(arguments: &[&str]) -> Option<Command> {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("AFIELD_REQUIRE_TOOLS").is_none(), "curl is required and is not there");
        eprintln!("skipped: there is no curl");
        return None;
    }
    let mut command = Command::new("curl");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(["--disable", "--noproxy", "*"]).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    Some(command)
}

/// Runs to the end.
pub async fn run(mut command: Command) -> Output {
    within("the command's end", command.output()).await.unwrap()
}

/// Runs to the end with this on standard input.
pub async fn run_with_input(mut command: Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = tokio::spawn(async move {
        // Whoever does not want all of it closes early.
        let _ = stdin.write_all(&input).await;
    });
    let output = within("the command's end", child.wait_with_output()).await.unwrap();
    writing.await.unwrap();
    output
}

pub fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal ended it")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Sends a signal to a child that this test has started.
pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(child.id().expect("it runs")).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// The code with which a child ends.
pub async fn end(child: &mut Child) -> Option<i32> {
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("the command ends").unwrap().code()
}

/// A directory that goes away with the test, and a file in it.
pub fn file(contents: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("some file.txt");
    std::fs::write(&path, contents).unwrap();
    (directory, path)
}
