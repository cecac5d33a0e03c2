//! Executors behind proxies, as `docs/how-to/proxies.md` starts them.

use crate::{access::new_token, support::afield};
use afield_client::RemoteConfig;
use afield_testkit::{Process, tls::Ca, within};
use afield_transport::BearerToken;
use std::{net::SocketAddr, path::Path};

/// The name by which orchestrators know it.
pub const NAME: &str = "executor.example";

/// `afield serve` in a process of its own, which notes everything on standard error.
pub struct Executor {
    pub process: Process,
    pub address: SocketAddr,
}

impl Executor {
    /// With these arguments besides.
    pub async fn start(listen: &str, arguments: &[&str]) -> Self {
        let mut command = afield(&["serve", "--listen", listen, "--log", "off", "--audit", "stderr"]);
        command.args(arguments);
        let process = Process::start(command).unwrap();
        let url = process.stdout().wait_line("://").await;
        let address = url.split_once("://").unwrap().1.parse().unwrap();
        Self { process, address }
    }

    /// Whether a connection has been let in that has not ended since.
    pub fn is_in_use(&self) -> bool {
        let noted = self.process.stderr().text();
        let count = |event: &str| noted.matches(&format!(r#""event":"{event}""#)).count();
        count("admitted") > count("ended")
    }

    /// Waits until the audit says that a connection from this address was let in, or refused, with this in its line.
    pub async fn notes(&self, event: &str, peer: &str) -> String {
        let (event, peer) = (format!(r#""event":"{event}""#), format!(r#""peer":"{peer}"#));
        let line = |line: &str| (line.contains(&event) && line.contains(&peer)).then(|| line.to_owned());
        self.process.stderr().wait(format!("{event} {peer}"), line).await
    }
}

/// Two executors with one token, TLS being in front of them.
pub struct Pair {
    pub executors: [Executor; 2],
    pub token: String,
}

impl Pair {
    /// With these arguments besides.
    pub async fn start(arguments: &[&str]) -> Self {
        let (token, line) = new_token("ci").await;
        let digest = line.replacen(' ', "=", 1);
        let all = ["--token-sha256", &digest, "--tls-terminated-in-front", "--allow-host", NAME];
        let all = [&all, arguments].concat();
        let (one, other) = tokio::join!(
            Executor::start("ws://127.0.0.1:0", &all),
            Executor::start("ws://127.0.0.1:0", &all)
        );
        Self { executors: [one, other], token }
    }

    pub fn addresses(&self) -> [SocketAddr; 2] {
        [self.executors[0].address, self.executors[1].address]
    }

    /// Which of them has the one session there is.
    pub async fn used(&self) -> usize {
        // What they note may be read a little later.
        within("one of them notes the session", async {
            loop {
                if let Some(used) = self.executors.iter().position(Executor::is_in_use) {
                    return used;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await
    }
}

/// How a client reaches what is at `address`, which has a certificate of this authority.
pub fn client(address: SocketAddr, ca: &Ca, token: &str) -> RemoteConfig {
    let mut config = RemoteConfig::new(format!("wss://{address}"));
    config.token = Some(BearerToken::new(token));
    config.ca = afield_egress::CaPolicy::Pem(ca.pem().into_bytes().into());
    config
}

/// A certificate of this authority for these addresses and [`NAME`], in `directory`: the chain, the key, and both in one file.
pub fn certify(ca: &Ca, directory: &Path, addresses: &[&str]) {
    let identity = ca.issue(&[addresses, &[NAME]].concat());
    let (certificate, key) = (identity.certificate_pem(), identity.key_pem());
    for (name, text) in [
        ("executor.crt", certificate.to_owned()),
        ("executor.key", key.to_owned()),
        ("executor.pem", format!("{certificate}{key}")),
    ] {
        std::fs::write(directory.join(name), text).unwrap();
    }
}
