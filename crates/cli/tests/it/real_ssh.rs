//! An executor behind the real sshd, reached by the real ssh.

use crate::{
    real_proxies::own_address,
    stdio::{kill_last, listening, noting_of, survives},
    support::{afield, code, run, text},
};
use afield_client::{Endpoint, RemoteConfig};
use afield_testkit::{
    Origin, Process, require_or_skip,
    tools::{self, Unavailable},
    within,
};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// sshd as whoever runs the test, with keys of its own, and an ssh that knows it as `box`.
struct Ssh {
    sshd: Process,
    directory: TempDir,
    program: PathBuf,
    pids: PathBuf,
}

impl Ssh {
    async fn start() -> Result<Self, Unavailable> {
        let (mut sshd, ssh, mut keygen) =
            (tools::installed("sshd")?, tools::installed("ssh")?, tools::installed("ssh-keygen")?);
        let failed = |error| Unavailable::new(format!("sshd cannot be started: {error}"));
        if geteuid().is_root() {
            // Where root's sshd locks itself in; the package makes it when its service starts.
            fs::create_dir_all("/run/sshd").map_err(failed)?;
        }
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["host", "id"] {
            let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(name)).output().await;
            assert!(made.unwrap().status.success());
            keygen = tools::installed("ssh-keygen")?;
        }
        let address = own_address(2222);
        let path = directory.path().display();
        write(&at("sshd_config"), &sshd_config(address, &path.to_string()));
        write(&at("ssh_config"), &ssh_config(address, &path.to_string()));
        // What the login finds by its name.
        fs::create_dir(at("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_afield"), at("bin/afield")).unwrap();
        let becomes = format!("'{}' -F '{path}/ssh_config' \"$@\"", ssh.as_std().get_program().display());
        let (program, pids) = noting_of(directory.path(), "ssh", &becomes);
        sshd.args(["-D", "-e", "-f"]).arg(at("sshd_config"));
        let mut sshd = Process::start(sshd).map_err(failed)?;
        let accepts = async {
            while TcpStream::connect(address).await.is_err() {
                assert!(sshd.is_running(), "{}", sshd.stderr().text());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within("sshd accepts", accepts).await;
        Ok(Self { sshd, directory, program, pids })
    }

    /// Kills whatever sshd has started for those who are logged in.
    fn kill_other_end(&self) {
        let listener = self.sshd.pid().to_string();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // proc(5): after the name, which is in parentheses, come the state and the parent.
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
            if parent == Some(&listener) {
                // It may have ended just now.
                let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
            }
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

fn sshd_config(address: SocketAddr, path: &str) -> String {
    format!(
        "ListenAddress {address}\nHostKey {path}/host\nAuthorizedKeysFile {path}/id.pub\nPidFile none\nStrictModes no\n\
         UsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         SetEnv PATH={path}/bin:/usr/bin:/bin\n"
    )
}

fn ssh_config(address: SocketAddr, path: &str) -> String {
    format!(
        "Host box\nHostName {}\nPort {}\nIdentityFile {path}/id\nIdentitiesOnly yes\nUserKnownHostsFile {path}/known\n\
         StrictHostKeyChecking accept-new\n",
        address.ip(),
        address.port()
    )
}

/// Proves that `ssh://HOST/SOCKET` reaches an executor by the real ssh and sshd, and that a download, an upload and POSTs go on when
/// the ssh here is killed in their middle, and when sshd's end of it is: each is sent to the origin once, and no byte is lost
/// (case 184).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_survives_kill_of_real_ssh() {
    let ssh = require_or_skip!(Ssh::start().await);
    let socket = ssh.directory.path().join("executor.sock");
    let _executor = listening(&socket).await;
    let url = format!("ssh://box{}", socket.display());

    let origin = Origin::start().await;
    let mut request = afield(&["request", "-v", "--executor", &url, &origin.url("/status/200")]);
    request.env("PATH", ssh.directory.path());
    let output = run(request).await;
    let said = text(&output.stderr);
    assert_eq!(code(&output), 0, "{said}\n{}", ssh.sshd.stderr().text());
    assert!(said.contains("dialect afield/1"), "{said}");
    fs::remove_file(&ssh.pids).unwrap();

    let mut config = RemoteConfig::new(&*url);
    match &mut config.endpoint {
        Endpoint::Command { program, .. } => *program = ssh.program.display().to_string(),
        Endpoint::Url(url) => panic!("{url}"),
    }
    survives(config, |round| if round == 2 { ssh.kill_other_end() } else { kill_last(&ssh.pids) }).await;
    assert_eq!(fs::read_to_string(&ssh.pids).unwrap().lines().count(), 4);
}
