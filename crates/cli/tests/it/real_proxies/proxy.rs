//! A proxy that others wrote, started with the files of `docs/how-to/proxies`.

use super::kind::{Kind, Place};
use afield_testkit::{Process, tools::Unavailable, within};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// An address that nobody else listens on, whichever port: a program that is killed and started again finds it free.
pub fn own_address(port: u16) -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(100);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    (Ipv4Addr::new(127, NEXT.fetch_add(1, Ordering::Relaxed), high, low), port).into()
}

/// A running proxy. Dropping it kills it, its workers too.
pub struct Proxy {
    kind: Kind,
    pub address: SocketAddr,
    directory: TempDir,
    processes: Vec<Process>,
    epoch: u32,
}

impl Proxy {
    /// One that is not started yet.
    pub fn new(kind: Kind) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { kind, address: own_address(8443), directory, processes: Vec::new(), epoch: 0 }
    }

    /// Where its files are.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Writes its files, changed by `change`, before these executors, and starts it.
    pub async fn start(
        &mut self,
        targets: &[SocketAddr],
        change: impl Fn(&str, String) -> String,
    ) -> Result<(), Unavailable> {
        let place = Place { address: self.address, targets, directory: self.directory.path() };
        for file in self.kind.files() {
            let text = change(file, self.kind.filled(file, &place));
            std::fs::write(self.directory.path().join(file), text).unwrap();
        }
        self.run().await
    }

    /// Starts it with the files that are there, and waits until it accepts.
    async fn run(&mut self) -> Result<(), Unavailable> {
        let mut command = self.kind.program()?;
        self.kind.arguments(&mut command, self.directory.path());
        if self.kind == Kind::Envoy {
            let base = self.directory.path().join("base-id");
            match self.epoch {
                0 => command.args(["--use-dynamic-base-id", "--base-id-path"]).arg(base),
                epoch => {
                    let base = std::fs::read_to_string(base).unwrap();
                    command.args(["--base-id", base.trim(), "--restart-epoch", &epoch.to_string()])
                }
            };
        }
        command.process_group(0);
        let process = Process::start(command)
            .map_err(|error| Unavailable::new(format!("{:?} cannot be started: {error}", self.kind)))?;
        self.processes.push(process);
        let accepts = async {
            while TcpStream::connect(self.address).await.is_err() {
                let process = self.processes.last_mut().unwrap();
                assert!(process.is_running(), "{:?} ended:\n{}", self.kind, process.stderr().text());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within("the proxy accepts", accepts).await;
        Ok(())
    }

    fn process(&self) -> &Process {
        self.processes.last().expect("it is running")
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process().pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// What it has said.
    pub async fn says(&self, text: &str) {
        let process = self.process();
        tokio::select! {
            _ = process.stderr().wait_line(text) => {}
            _ = process.stdout().wait_line(text) => {}
        }
    }

    /// Has it read its files again, as its manual says, and waits until they are in force.
    pub async fn reload(&mut self) {
        let said = match self.kind {
            Kind::Haproxy => {
                self.signal(Signal::USR2);
                "Proxy orchestrators stopped"
            }
            Kind::Nginx | Kind::NginxGateway => {
                self.signal(Signal::HUP);
                "gracefully shutting down"
            }
            Kind::Caddy => return self.reload_caddy().await,
            Kind::Envoy => {
                // The second epoch has the first one end: there is no reload in one process.
                self.epoch += 1;
                self.run().await.unwrap();
                let mut first = self.processes.remove(0);
                first.wait_exit().await;
                return;
            }
            Kind::Traefik => {
                let file = self.directory.path().join("traefik-dynamic.yml");
                let text = std::fs::read_to_string(&file).unwrap();
                let more = "    other: { rule: 'Path(`/loaded-again`)', service: executors }\n  services:\n";
                std::fs::write(&file, text.replacen("  services:\n", more, 1)).unwrap();
                "loaded-again"
            }
            Kind::Squid => {
                self.signal(Signal::HUP);
                "Reconfiguring Squid Cache"
            }
            Kind::Tinyproxy => {
                self.signal(Signal::USR1);
                "Reloading config file finished"
            }
        };
        self.says(said).await;
    }

    async fn reload_caddy(&self) {
        let mut command = self.kind.program().unwrap();
        let file = self.directory.path().join("Caddyfile");
        let text = std::fs::read_to_string(&file).unwrap();
        // One that is unchanged is not loaded.
        let changed = text.replace("lb_policy header", "lb_retries 1\n\t\tlb_policy header");
        std::fs::write(&file, changed).unwrap();
        command.args(["reload", "--adapter", "caddyfile", "--config"]).arg(file);
        command.env("HOME", self.directory.path()).env("PATH", "").current_dir(self.directory.path());
        let output = within("Caddy is loaded again", command.output()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Kills it, and all that it has started, and starts it again.
    pub async fn kill_and_start(&mut self) {
        self.kill();
        for process in &mut self.processes {
            process.wait_exit().await;
        }
        self.processes.clear();
        self.epoch = 0;
        self.run().await.unwrap();
    }

    fn kill(&self) {
        for process in &self.processes {
            let pid = Pid::from_raw(i32::try_from(process.pid()).unwrap()).unwrap();
            // Whoever has ended already needs no signal.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in &self.processes {
                eprintln!("{:?}:\n{}{}", self.kind, process.stdout().text(), process.stderr().text());
            }
        }
        self.kill();
    }
}
