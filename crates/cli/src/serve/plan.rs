use super::{flags::Flags, limits::Setting};
use crate::{ExitCode, failure::Failure};
use afield_egress::CaPolicy;
use afield_executor::{Config, Listen};
use std::{net::SocketAddr, time::Duration};

/// What the flags mean to the executor.
pub(super) fn config(flags: Flags) -> Result<Config, Failure> {
    let mut config = Config {
        listen: listen(flags.listen.as_deref().filter(|typed| !typed.is_empty()), flags.access.wants_tls())?,
        grace: Duration::from_secs(flags.grace),
        allowed_hosts: flags.allow_host.into_iter().filter(|name| !name.is_empty()).collect(),
        ..Config::default()
    };
    for text in flags.limit.iter().filter(|text| !text.is_empty()) {
        let setting: Setting = text
            .parse()
            .map_err(|why| Failure::new(ExitCode::ServeUsage, format!("--limit {text}: {why}")))?;
        setting.apply(&mut config.egress.limits)?;
    }
    if let Some(file) = flags.ca {
        config.egress.ca = CaPolicy::File(file);
    }
    flags.access.apply(&mut config)?;
    Ok(config)
}

/// `stdio`, `unix:` and a path, or `ws://` or `wss://` with an address and a port. What an address that others can reach
/// needs is for the executor to insist on.
fn listen(typed: Option<&str>, tls: bool) -> Result<Listen, Failure> {
    let typed = typed.unwrap_or(if tls { "wss://127.0.0.1:7411" } else { "ws://127.0.0.1:7411" });
    let refuse = |why: &str| {
        Err(Failure::new(ExitCode::ServeUsage, format!("cannot listen on {typed:?}: {why}"))
            .with_hint("write ws://127.0.0.1:7411, ws://127.0.0.1:0 for any free port, wss://0.0.0.0:7411 with TLS, unix:/run/afield.sock, or stdio"))
    };
    if typed.eq_ignore_ascii_case("stdio") {
        return Ok(Listen::Stdio);
    }
    if let Some(path) = typed.strip_prefix("unix:") {
        return match (path.strip_prefix("//").unwrap_or(path), tls) {
            ("", _) => refuse("after unix: a path is wanted"),
            (_, true) => refuse("a Unix socket has no TLS: it does not leave this machine"),
            (path, false) => Ok(Listen::Unix(path.into())),
        };
    }
    let Some((scheme, rest)) = typed.split_once("://") else {
        return refuse("it is neither stdio nor a URL");
    };
    match (scheme, tls) {
        ("ws", false) | ("wss", true) => {}
        ("wss", false) => return refuse("TLS needs --tls-certificate FILE and --tls-key FILE"),
        ("ws", true) => return refuse("with --tls-certificate it is wss://"),
        _ => return refuse("only ws://, wss:// and unix: are known"),
    }
    let address = rest.strip_suffix('/').unwrap_or(rest);
    let address = match address.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => address.to_owned(),
    };
    match address.parse::<SocketAddr>() {
        Ok(address) => Ok(Listen::Ws(address)),
        Err(_) => refuse("after :// an IP address and a port are wanted, and no path"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which listen addresses are understood, and that others are refused as usage.
    #[test]
    fn listen_takes_ws_addresses_and_stdio() {
        let ws = |address: &str| Listen::Ws(address.parse().unwrap());
        for (typed, tls, meant) in [
            (None, false, ws("127.0.0.1:7411")),
            (None, true, ws("127.0.0.1:7411")),
            (Some("stdio"), false, Listen::Stdio),
            (Some("ws://127.0.0.1:0"), false, ws("127.0.0.1:0")),
            (Some("ws://[::1]:7411/"), false, ws("[::1]:7411")),
            (Some("ws://localhost:1"), false, ws("127.0.0.1:1")),
            (Some("wss://0.0.0.0:1"), true, ws("0.0.0.0:1")),
            (Some("unix:/run/a b.sock"), false, Listen::Unix("/run/a b.sock".into())),
            (Some("unix:///run/a.sock"), false, Listen::Unix("/run/a.sock".into())),
        ] {
            assert_eq!(listen(typed, tls).unwrap(), meant, "{typed:?}");
        }
        for refused in [
            "",
            "127.0.0.1:1",
            "wss://127.0.0.1:1",
            "http://127.0.0.1:1",
            "ws://host:1",
            "ws://127.0.0.1",
            "ws://127.0.0.1:1/x",
            "unix:",
        ] {
            assert_eq!(listen(Some(refused), false).unwrap_err().code, ExitCode::ServeUsage, "{refused}");
        }
        for refused in ["ws://127.0.0.1:1", "unix:/run/a.sock"] {
            assert_eq!(listen(Some(refused), true).unwrap_err().code, ExitCode::ServeUsage, "{refused}");
        }
    }
}
