use super::{flags::Flags, limits::Setting, names::Names, offers::offers, places::Places};
use crate::{ExitCode, config_flags::unusable, failure::Failure, inherited};
use afield_config::Serving;
use afield_egress::{CaPolicy, Preset};
use afield_exchange::Limits;
use afield_executor::{AdminListen, AuditLog, Config, Listen, Offers};
use afield_transport::Tokens;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

/// What is about to be served.
pub(super) struct Plan {
    pub config: Config,
    /// Tokens whose digests can be changed while it runs.
    pub tokens: Option<Arc<Tokens>>,
    pub audit: Option<Arc<AuditLog>>,
}

/// What the flags mean, completed with what a file says.
pub(super) fn plan(flags: Flags, said: &Serving) -> Result<Plan, Failure> {
    let preset = preset(flags.policy.as_deref())?;
    let access = flags.access.clone().or(&said.serve);
    let names = Names::new(access.kinds());
    let places = Places::of(said, &names, preset).map_err(|problems| unusable(&problems))?;
    let typed = flags.listen.as_deref().filter(|typed| !typed.is_empty());
    let typed = typed.or(said.serve.listen.as_ref().map(|listen| listen.as_str()));
    let own_hosts: Vec<String> = flags.allow_host.iter().filter(|name| !name.is_empty()).cloned().collect();
    let noting = flags.audit.clone().open(&said.audit)?;
    let default = Config::default();
    let mut config = Config {
        listen: listen(typed, access.wants_tls())?,
        grace: flags.grace.map(Duration::from_secs).or(said.serve.grace).unwrap_or(default.grace),
        allowed_hosts: if own_hosts.is_empty() { said.serve.allowed_hosts.clone() } else { own_hosts },
        audit: noting.audit,
        offers: Offers::new(offers(said)),
        reclaim: Some(afield_trim::trim),
        inherited: inherited::copies(),
        ..default
    };
    config.admin = admin(&flags, said)?;
    config.egress.limits = limits(&flags, said)?;
    if let Some(file) = ca(&flags, said) {
        config.egress.ca = CaPolicy::File(file);
    }
    let Places { policy, secrets, upstreams } = places;
    (config.egress.policy, config.egress.secrets, config.egress.upstreams) = (policy, secrets, upstreams);
    let tokens = access.apply(&mut config)?;
    Ok(Plan { config, tokens, audit: noting.log })
}

/// The preset that is meant by a flag.
pub(crate) fn preset(typed: Option<&str>) -> Result<Option<Preset>, Failure> {
    let Some(typed) = typed.filter(|typed| !typed.is_empty()) else { return Ok(None) };
    let known = [Preset::Standard, Preset::PublicOnly, Preset::AllowList];
    known.into_iter().find(|preset| preset.as_str() == typed).map(Some).ok_or_else(|| {
        let why = format!("--policy {typed:?} is not known: write standard, public-only or allow-list");
        Failure::new(ExitCode::ServeUsage, why)
    })
}

/// The limits that are meant.
pub(super) fn limits(flags: &Flags, said: &Serving) -> Result<Limits, Failure> {
    let mut limits = Limits::default();
    said.limits.apply(&mut limits);
    for text in flags.limit.iter().filter(|text| !text.is_empty()) {
        let setting: Setting = text
            .parse()
            .map_err(|why| Failure::new(ExitCode::ServeUsage, format!("--limit {text}: {why}")))?;
        setting.apply(&mut limits)?;
    }
    Ok(limits)
}

/// The authorities that origins are checked against, if a file of them is named other than by the egress's own variable.
pub(super) fn ca(flags: &Flags, said: &Serving) -> Option<PathBuf> {
    let by_variable = std::env::var_os("AFIELD_CA_CERTIFICATE").is_some_and(|file| !file.is_empty());
    flags.ca.clone().or_else(|| said.serve.ca.clone().filter(|_| !by_variable))
}

/// Where an executor's own tools ask after it: an address and a port, or `unix:` and a path.
pub(super) fn admin(flags: &Flags, said: &Serving) -> Result<Option<AdminListen>, Failure> {
    let typed = flags.admin.as_deref().filter(|typed| !typed.is_empty());
    let typed = typed.or(said.serve.admin.as_ref().map(|text| text.as_str()));
    let Some(typed) = typed else { return Ok(None) };
    if let Some(path) = typed.strip_prefix("unix:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
        return Ok(Some(AdminListen::Unix(path.into())).filter(|_| !path.is_empty()));
    }
    let address = typed.strip_prefix("http://").unwrap_or(typed).trim_end_matches('/');
    let address =
        address.strip_prefix("localhost:").map_or(address.to_owned(), |port| format!("127.0.0.1:{port}"));
    address.parse().map(|address| Some(AdminListen::Tcp(address))).map_err(|_| {
        Failure::new(ExitCode::ServeUsage, format!("the admin listener cannot be at {typed:?}"))
            .with_hint("write 127.0.0.1:7419, or unix:/run/afield-admin.sock")
    })
}

/// `stdio`, `unix:` and a path, or `ws://` or `wss://` with an address and a port. What an address that others can reach
/// needs is for the executor to insist on.
pub(super) fn listen(typed: Option<&str>, tls: bool) -> Result<Listen, Failure> {
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
