use super::Host;
use crate::{Credential, Gateway};
use std::{net::SocketAddr, path::PathBuf};

/// How a host comes to a server of this configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// By the URL it has at `afield gateway`, which has to run.
    Gateway,
    /// By starting `afield mcp connect NAME`.
    Connect,
}

impl Via {
    /// The one that fits the host best.
    pub fn default_for(host: Host) -> Self {
        if host.takes_urls() { Self::Gateway } else { Self::Connect }
    }
}

/// What entries for a host are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// For whom.
    pub host: Host,
    /// How.
    pub via: Via,
    /// The gateway that URLs lead to.
    pub gateway: Gateway,
    /// This program, as the host is to start it: hosts with windows know few folders to look in.
    pub program: String,
    /// The configuration to name to it, where it is not the one it finds by itself.
    pub config: Option<PathBuf>,
}

/// What an entry says, in order; the host's file decides how it is written.
pub(super) enum Said {
    Text(String),
    Texts(Vec<String>),
    Map(Vec<(&'static str, String)>),
}

/// The header in which a gateway takes its token.
const TOKEN: &str = "Afield-Gateway-Token";

impl Export {
    /// The URL that the server of this name has at the gateway.
    pub fn url(&self, name: &str) -> String {
        let listen = self.gateway.listen;
        let address = match listen.ip() {
            ip if ip.is_unspecified() && ip.is_ipv4() => SocketAddr::from(([127, 0, 0, 1], listen.port())),
            ip if ip.is_unspecified() => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, listen.port())),
            _ => listen,
        };
        format!("http://{address}/{name}")
    }

    /// What has to be done by hand, if anything.
    pub fn advice(&self) -> Option<String> {
        let by_hand = || {
            Some(format!(
                "the gateway asks for a token that stands in a file: give the host a header {TOKEN} with it"
            ))
        };
        match (&self.gateway.token, self.via) {
            (Some(Credential::File(_)), Via::Gateway) => by_hand(),
            _ => None,
        }
    }

    /// What the entry for the server of this name says.
    pub(super) fn entry(&self, name: &str) -> Vec<(&'static str, Said)> {
        let text = |text: &str| Said::Text(text.to_owned());
        let mut entry = Vec::new();
        match self.via {
            Via::Gateway => {
                if matches!(self.host, Host::ClaudeCode | Host::VsCode) {
                    entry.push(("type", text("http")));
                }
                entry.push(("url", Said::Text(self.url(name))));
                if let Some(Credential::Variable(variable)) = &self.gateway.token {
                    entry.push(self.token(variable));
                }
            }
            Via::Connect => {
                if matches!(self.host, Host::ClaudeCode | Host::VsCode) {
                    entry.push(("type", text("stdio")));
                }
                entry.push(("command", text(&self.program)));
                let mut args: Vec<String> = ["mcp", "connect", name].map(str::to_owned).into();
                if let Some(config) = &self.config {
                    args.extend(["--config".to_owned(), config.display().to_string()]);
                }
                entry.push(("args", Said::Texts(args)));
            }
        }
        entry
    }

    fn token(&self, variable: &str) -> (&'static str, Said) {
        match self.host {
            Host::Codex => ("env_http_headers", Said::Map(vec![(TOKEN, variable.to_owned())])),
            Host::ClaudeCode => ("headers", Said::Map(vec![(TOKEN, format!("${{{variable}}}"))])),
            _ => ("headers", Said::Map(vec![(TOKEN, format!("${{env:{variable}}}"))])),
        }
    }
}
