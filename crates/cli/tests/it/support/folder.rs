//! A folder with a configuration, and the commands that go by it.

use super::{afield, code, run, text};
use afield_testkit::{Process, tls::Identity};
use rustix::process::{Pid, Signal, kill_process};
use std::{os::unix::fs::PermissionsExt, path::PathBuf};
use tempfile::TempDir;

/// A folder with a configuration in it.
pub struct Folder(TempDir);

impl Folder {
    pub fn with(configuration: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("config.toml", configuration);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that its owner alone can read.
    pub fn write(&self, name: &str, contents: &str) {
        std::fs::write(self.path(name), contents).unwrap();
        self.chmod(name, 0o600);
    }

    pub fn chmod(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(mode)).unwrap();
    }

    pub fn config(&self) -> String {
        self.path("config.toml").display().to_string()
    }

    pub fn identity(&self, identity: &Identity) {
        self.write("server.pem", identity.certificate_pem());
        self.write("server.key", identity.key_pem());
    }

    /// `config check` of it: the code, and what is said.
    pub async fn check(&self) -> (i32, String) {
        let got = run(afield(&["config", "check", &self.config()])).await;
        (code(&got), text(&got.stderr) + &text(&got.stdout))
    }

    pub fn serve(&self) -> Process {
        self.start(&["serve"])
    }

    pub fn gateway(&self) -> Process {
        self.start(&["gateway"])
    }

    fn start(&self, arguments: &[&str]) -> Process {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_afield"));
        command.env_clear().args(arguments).args(["--config", &self.config()]);
        command.env("HOME", self.0.path());
        Process::start(command.into()).unwrap()
    }
}

pub fn hang_up(pid: u32) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::HUP).unwrap();
}
