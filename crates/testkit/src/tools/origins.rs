use super::{Unavailable, pip, proxies};
use crate::process::{Command, Process};
use crate::tls::Ca;
use rustix::io::{FdFlags, fcntl_setfd};
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An origin that others wrote, in a process that is ended on drop.
///
/// Each listens at several ports, which have names: `plain` speaks HTTP/1.1 and, nginx and hypercorn, HTTP/2 to those who
/// begin with it; `tls` does it over TLS, where HTTP/2 is agreed to if the program knows it; `short` closes connections that
/// have been idle for a second or less. Node.js has `h2` and `h2c` besides.
///
/// | path | answer |
/// |---|---|
/// | `/small` | the port that the connection comes from |
/// | `/empty` | 204 |
/// | `/chunked` | `onetwo`, of no announced length |
/// | `/large` | [`large`](Self::large) |
/// | `/upload` | length and SHA-256 of the request's body |
/// | `/count` | how often this has been asked for |
/// | `/limited` | 413 for 16 MiB, the body not read (but by hypercorn over HTTP/2) |
#[derive(Debug)]
pub struct RealOrigin {
    ports: BTreeMap<String, u16>,
    _process: Process,
    _directory: TempDir,
    _backend: Option<Box<RealOrigin>>,
}

const PYTHON: &[&str] = &["aiohttp==3.14.5", "hypercorn==0.18.0"];
const GRPC: &str = "grpcio==1.85.1";

impl RealOrigin {
    /// What is at `/large`: 10 MiB.
    pub fn large() -> Vec<u8> {
        (0..251).cycle().take(10 << 20).collect()
    }

    /// nginx.
    ///
    /// # Errors
    ///
    /// When it cannot be installed or started.
    pub fn nginx(ca: &Ca) -> Result<Self, Unavailable> {
        let mut command = proxies::nginx()?;
        let directory = directory()?;
        let listeners = Listeners::bind()?;
        certify(ca, directory.path())?;
        write(directory.path(), "large", Self::large())?;
        write(directory.path(), "origin.js", include_bytes!("origins/nginx.js"))?;
        let configuration = listeners.fill(include_str!("origins/nginx.conf"));
        write(directory.path(), "nginx.conf", configuration)?;
        let inherited: String = listeners.0.iter().map(|(_, one)| format!("{};", one.as_raw_fd())).collect();
        command.arg("-p").arg(directory.path()).args(["-c", "nginx.conf"]).env("NGINX", inherited);
        listeners.serve(command, directory, None)
    }

    /// HAProxy before [`aiohttp`](Self::aiohttp).
    ///
    /// # Errors
    ///
    /// When one of them cannot be installed or started.
    pub async fn haproxy(ca: &Ca) -> Result<Self, Unavailable> {
        let backend = Self::aiohttp().await?;
        let mut command = proxies::haproxy()?;
        let directory = directory()?;
        let listeners = Listeners::bind()?;
        let (certificate, key) = certify(ca, directory.path())?;
        let both = [fs::read(certificate), fs::read(key)].into_iter().collect::<Result<Vec<_>, _>>();
        write(directory.path(), "both.pem", both.map_err(failed)?.concat())?;
        let configuration = listeners
            .fill(include_str!("origins/haproxy.cfg"))
            .replace("{certificate}", &directory.path().join("both.pem").display().to_string())
            .replace("{backend}", &backend.port("plain").to_string());
        write(directory.path(), "haproxy.cfg", configuration)?;
        command.args(["-db", "-f"]).arg(directory.path().join("haproxy.cfg"));
        listeners.serve(command, directory, Some(Box::new(backend)))
    }

    /// Node.js.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub async fn node(ca: &Ca) -> Result<Self, Unavailable> {
        let directory = directory()?;
        let (certificate, key) = certify(ca, directory.path())?;
        let script = write(directory.path(), "server.mjs", include_bytes!("origins/node_server.mjs"))?;
        let mut command = Command::new("node");
        command.arg(script).arg(certificate).arg(key);
        Self::start(command, directory).await
    }

    /// Python's own `http.server`, speaking this version: `HTTP/1.0` or `HTTP/1.1`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub async fn http_server(version: &str) -> Result<Self, Unavailable> {
        let directory = directory()?;
        let script = write(directory.path(), "server.py", include_bytes!("origins/http_server.py"))?;
        let mut command = Command::new("python3");
        command.arg(script).arg(version);
        Self::start(command, directory).await
    }

    /// aiohttp.
    ///
    /// # Errors
    ///
    /// When it cannot be installed or started.
    pub async fn aiohttp() -> Result<Self, Unavailable> {
        let directory = directory()?;
        let script = write(directory.path(), "server.py", include_bytes!("origins/aiohttp_server.py"))?;
        let mut command = Command::new(pip(PYTHON)?.join("bin/python"));
        command.arg(script);
        Self::start(command, directory).await
    }

    /// hypercorn.
    ///
    /// # Errors
    ///
    /// When it cannot be installed or started.
    pub async fn hypercorn(ca: &Ca) -> Result<Self, Unavailable> {
        let directory = directory()?;
        let (certificate, key) = certify(ca, directory.path())?;
        let script = write(directory.path(), "server.py", include_bytes!("origins/hypercorn_server.py"))?;
        let mut command = Command::new(pip(PYTHON)?.join("bin/python"));
        command.arg(script).arg(certificate).arg(key);
        Self::start(command, directory).await
    }

    /// A gRPC server in the clear, at `plain`, with the methods `Unary`, `ServerStream`, `ClientStream`, `Both` and `Fail` of
    /// the service `test.Echo`, whose messages are bytes.
    ///
    /// # Errors
    ///
    /// When it cannot be installed or started.
    pub async fn grpc() -> Result<Self, Unavailable> {
        let directory = directory()?;
        let script = write(directory.path(), "server.py", include_bytes!("origins/grpc_server.py"))?;
        let mut command = Command::new(pip(&[GRPC])?.join("bin/python"));
        command.arg(script);
        Self::start(command, directory).await
    }

    /// The port of this name.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn port(&self, name: &str) -> u16 {
        *self.ports.get(name).unwrap_or_else(|| panic!("no port is called {name}"))
    }

    /// What a script serves that needs no folder.
    pub(super) async fn of_script(command: Command) -> Result<Self, Unavailable> {
        Self::start(command, directory()?).await
    }

    /// Starts a script, which says its ports and `ready`, and ends when its input does.
    async fn start(command: Command, directory: TempDir) -> Result<Self, Unavailable> {
        let process = Process::start(command).map_err(failed)?;
        let line = process.stdout().wait_line("ready").await;
        let ports = line.split(' ').filter_map(|word| {
            let (name, port) = word.split_once('=')?;
            Some((name.to_owned(), port.parse().ok()?))
        });
        Ok(Self { ports: ports.collect(), _process: process, _directory: directory, _backend: None })
    }
}

/// Listeners for a program that cannot say which port it got.
struct Listeners([(&'static str, TcpListener); 3]);

impl Listeners {
    fn bind() -> Result<Self, Unavailable> {
        let bind = || {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            fcntl_setfd(&listener, FdFlags::empty())?;
            Ok(listener)
        };
        let (plain, tls, short) = (bind().map_err(failed)?, bind().map_err(failed)?, bind().map_err(failed)?);
        Ok(Self([("plain", plain), ("tls", tls), ("short", short)]))
    }

    fn ports(&self) -> BTreeMap<String, u16> {
        let port = |listener: &TcpListener| listener.local_addr().map_or(0, |address| address.port());
        self.0.iter().map(|(name, listener)| ((*name).to_owned(), port(listener))).collect()
    }

    /// A configuration with ports (`{name}`) and descriptors (`{name_fd}`).
    fn fill(&self, configuration: &str) -> String {
        let ports = self.ports();
        self.0.iter().fold(configuration.to_owned(), |text, (name, listener)| {
            text.replace(&format!("{{{name}}}"), &ports[*name].to_string())
                .replace(&format!("{{{name}_fd}}"), &listener.as_raw_fd().to_string())
        })
    }

    /// Starts the program, which inherits them; what connects before it accepts waits.
    fn serve(
        self,
        command: Command,
        directory: TempDir,
        backend: Option<Box<RealOrigin>>,
    ) -> Result<RealOrigin, Unavailable> {
        let process = Process::start(command).map_err(failed)?;
        let ports = self.ports();
        Ok(RealOrigin { ports, _process: process, _directory: directory, _backend: backend })
    }
}

fn failed(error: std::io::Error) -> Unavailable {
    Unavailable::new(format!("an origin cannot be started: {error}"))
}

fn directory() -> Result<TempDir, Unavailable> {
    tempfile::tempdir().map_err(failed)
}

fn write(directory: &Path, name: &str, contents: impl AsRef<[u8]>) -> Result<PathBuf, Unavailable> {
    let path = directory.join(name);
    fs::write(&path, contents).map_err(failed)?;
    Ok(path)
}

fn certify(ca: &Ca, directory: &Path) -> Result<(PathBuf, PathBuf), Unavailable> {
    ca.issue(&["127.0.0.1"]).write_to(directory).map_err(failed)
}
