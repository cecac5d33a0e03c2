//! An executor process under test.

use crate::{Result, process::Usage};
use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

const START_LIMIT: Duration = Duration::from_secs(20);

/// A running executor; dropping it kills it.
pub struct Executor {
    child: Child,
    url: String,
}

impl Executor {
    /// Starts `command`, which listens on a port of its choice and prints its `ws://` URL.
    ///
    /// Proxy variables of the environment are taken away: every subject goes straight to the loopback origin.
    pub fn start(mut command: Command) -> Result<Self> {
        for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        let program = command.get_program().to_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let (found, urls) = mpsc::channel();
        let pipes: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as _),
            child.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        for pipe in pipes.into_iter().flatten() {
            let found = found.clone();
            std::thread::spawn(move || announce(pipe, &found));
        }
        drop(found);
        // From here on the child is ended by `Drop`, whatever happens.
        let mut executor = Self { child, url: String::new() };
        executor.url = urls.recv_timeout(START_LIMIT).map_err(|_| not_listening(&program))?;
        Ok(executor)
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has used up to now.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id())
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a child's output to its end, so that it never blocks on a full pipe, and reports the URLs in it.
fn announce(pipe: impl Read, found: &mpsc::Sender<String>) {
    for line in BufReader::new(pipe).lines().map_while(std::io::Result::ok) {
        if let Some(at) = line.find("ws://") {
            let url = line[at..].split(|c: char| c.is_whitespace() || c == '"').next().unwrap_or_default();
            let _ = found.send(url.to_owned());
        }
    }
}

fn not_listening(program: &OsStr) -> String {
    format!("{} ended or printed no ws:// URL within {} s", program.display(), START_LIMIT.as_secs())
}
