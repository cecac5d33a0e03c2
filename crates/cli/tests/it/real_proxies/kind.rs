//! What is peculiar to each proxy: its program, its files, and how it is told to read them again.

use afield_testkit::{
    process::Command,
    tools::{self, Unavailable},
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// A proxy that others wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Haproxy,
    Nginx,
    /// Before `afield gateway`.
    NginxGateway,
    Caddy,
    Envoy,
    Traefik,
    Squid,
    Tinyproxy,
}

use Kind::*;

/// All of them: between them they read every file of the page.
pub const ALL: [Kind; 8] = [Haproxy, Nginx, NginxGateway, Caddy, Envoy, Traefik, Squid, Tinyproxy];

/// Where the files of the page are.
pub fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/proxies")
}

/// What the page's examples are replaced by.
pub struct Place<'a> {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its backends; for a forward proxy, where it may connect to.
    pub targets: &'a [SocketAddr],
    pub directory: &'a Path,
}

/// Replaces each of these in the text, where each has to be.
pub fn replaced(mut text: String, replacements: &[(&str, String)]) -> String {
    for (old, new) in replacements {
        assert!(text.contains(old), "the page's file has no {old:?}:\n{text}");
        text = text.replace(old, new);
    }
    text
}

impl Kind {
    /// Its files in the folder of the page, the one that it is started with first.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Haproxy => &["haproxy.cfg"],
            Nginx => &["nginx.conf"],
            NginxGateway => &["nginx-gateway.conf"],
            Caddy => &["Caddyfile"],
            Envoy => &["envoy.yaml"],
            Traefik => &["traefik.yml", "traefik-dynamic.yml"],
            Squid => &["squid.conf"],
            Tinyproxy => &["tinyproxy.conf"],
        }
    }

    /// Its program.
    pub fn program(self) -> Result<Command, Unavailable> {
        match self {
            Haproxy => tools::haproxy(),
            Nginx | NginxGateway => tools::nginx(),
            Caddy => tools::caddy(),
            Envoy => tools::envoy(),
            Traefik => tools::traefik(),
            Squid => tools::installed("squid"),
            Tinyproxy => tools::installed("tinyproxy"),
        }
    }

    /// A file of the page with addresses and folders of the test in place of its own.
    pub fn filled(self, file: &str, place: &Place<'_>) -> String {
        let text = std::fs::read_to_string(pages().join(file)).unwrap();
        let (ip, port) = (place.address.ip(), place.address.port());
        let at = |name: &str| place.directory.join(name).display().to_string();
        let target = |index: usize| place.targets[index].to_string();
        let backends = || [("10.0.0.1:7411", target(0)), ("10.0.0.2:7411", target(1))];
        let mut changes: Vec<(&str, String)> = Vec::new();
        match (self, file) {
            (Haproxy, _) => {
                changes.extend(backends());
                changes.push(("bind :443", format!("bind {}", place.address)));
                changes.push(("/etc/haproxy/executor.pem", at("executor.pem")));
            }
            (Nginx, _) => {
                changes.extend(backends());
                changes.push(("listen 443", format!("listen {}", place.address)));
                changes.push(("/etc/nginx/executor.pem", at("executor.crt")));
                changes.push(("/etc/nginx/executor.key", at("executor.key")));
            }
            (NginxGateway, _) => {
                changes.push(("127.0.0.1:7412", target(0)));
                changes.push(("listen 443", format!("listen {}", place.address)));
                changes.push(("/etc/nginx/gateway.pem", at("executor.crt")));
                changes.push(("/etc/nginx/gateway.key", at("executor.key")));
            }
            (Caddy, _) => {
                changes.extend(backends());
                // An address among the sites would have Caddy make an authority, and the system trust it.
                let sites = format!("https://{0}:{port}, https://:{port} {{\n\tbind {ip}", super::NAME);
                changes.push(("https://executor.example {", sites));
                changes.push(("/etc/caddy/executor.pem", at("executor.crt")));
                changes.push(("/etc/caddy/executor.key", at("executor.key")));
                changes.push(("/run/caddy/", at("")));
            }
            (Envoy, _) => {
                let endpoint = |to: SocketAddr| format!("address: {}, port_value: {} }}", to.ip(), to.port());
                changes.extend([
                    ("address: 10.0.0.1, port_value: 7411 }", endpoint(place.targets[0])),
                    ("address: 10.0.0.2, port_value: 7411 }", endpoint(place.targets[1])),
                    ("address: 0.0.0.0, port_value: 443 }", endpoint(place.address)),
                ]);
                changes.push(("/etc/envoy/executor.pem", at("executor.crt")));
                changes.push(("/etc/envoy/executor.key", at("executor.key")));
            }
            (Traefik, "traefik.yml") => {
                changes.push((":443", place.address.to_string()));
                changes.push(("/etc/traefik/traefik-dynamic.yml", at("traefik-dynamic.yml")));
                changes.push(("level: INFO", "level: DEBUG".to_owned()));
            }
            (Traefik, _) => {
                changes.extend(backends());
                changes.push(("Host(`executor.example`)", "PathPrefix(`/`)".to_owned()));
                changes.push(("/etc/traefik/executor.pem", at("executor.crt")));
                changes.push(("/etc/traefik/executor.key", at("executor.key")));
            }
            (Squid, _) => {
                changes.push(("http_port 3128", format!("http_port {}", place.address)));
                changes.push(("port 7411", format!("port {}", place.targets[0].port())));
                changes.push(("10.1.0.0/16", "127.0.0.0/8".to_owned()));
            }
            (Tinyproxy, _) => {
                changes.push(("Port 3128", format!("Port {port}")));
                changes.push(("Port 7411", format!("Port {}", place.targets[0].port())));
                changes.push(("Listen 10.1.0.1", format!("Listen {ip}")));
                changes.push(("10.1.0.0/16", "127.0.0.0/8".to_owned()));
            }
        }
        let mut text = replaced(text, &changes);
        if self == Squid {
            // Where its files are, which the system's packages decide otherwise.
            text +=
                &format!("pid_filename {}\ncache_log stdio:/dev/stderr\naccess_log none\n", at("squid.pid"));
            text += "cache_mem 8 MB\nshutdown_lifetime 1 seconds\npinger_enable off\n";
        }
        text
    }

    /// Has it run in the foreground with what is in `directory`.
    pub fn arguments(self, command: &mut Command, directory: &Path) {
        let file = directory.join(self.files()[0]);
        match self {
            Haproxy => command.args(["-W", "-db", "-f"]).arg(file),
            Nginx | NginxGateway => command.arg("-p").arg(directory).arg("-c").arg(file).args([
                "-g",
                "daemon off; pid nginx.pid; error_log stderr notice;",
                "-e",
                "stderr",
            ]),
            // Whatever it wants to change in this system, it finds no program for it.
            Caddy => command.env("PATH", "").args(["run", "--adapter", "caddyfile", "--config"]).arg(file),
            Envoy => {
                command.args(["--concurrency", "1", "--drain-time-s", "1", "--parent-shutdown-time-s", "2"]);
                command.arg("-c").arg(file)
            }
            Traefik => command.arg("--configfile").arg(file),
            Squid => command.args(["-N", "-d", "1", "-f"]).arg(file),
            Tinyproxy => command.args(["-d", "-c"]).arg(file),
        };
        command.current_dir(directory).env("HOME", directory).env("XDG_DATA_HOME", directory);
        command.env("XDG_CONFIG_HOME", directory);
    }
}
