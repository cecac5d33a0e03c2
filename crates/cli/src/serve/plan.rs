use super::{flags::Flags, limits::Setting};
use crate::{ExitCode, failure::Failure, token::Token};
use afield_egress::CaPolicy;
use afield_executor::{Config, Listen};
use afield_transport::{Authenticate, NoAuthentication, TokenDigest};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

/// What the flags mean to the executor.
pub(super) fn config(flags: Flags) -> Result<Config, Failure> {
    let mut config = Config {
        listen: listen(&flags.listen)?,
        grace: Duration::from_secs(flags.grace),
        authentication: authentication(flags.token_file.as_deref())?,
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
    Ok(config)
}

fn authentication(token_file: Option<&Path>) -> Result<Arc<dyn Authenticate>, Failure> {
    Ok(match Token::find(token_file)? {
        Some(token) => Arc::new(TokenDigest::of(token.expose())),
        None => Arc::new(NoAuthentication),
    })
}

/// `stdio`, or `ws://` with an address and a port. That the address is a loopback one is for the executor to insist on.
fn listen(typed: &str) -> Result<Listen, Failure> {
    if typed.eq_ignore_ascii_case("stdio") {
        return Ok(Listen::Stdio);
    }
    let refuse = |why: &str| {
        Err(Failure::new(ExitCode::ServeUsage, format!("cannot listen on {typed:?}: {why}"))
            .with_hint("write ws://127.0.0.1:7411, ws://127.0.0.1:0 for any free port, or stdio"))
    };
    let Some((scheme, rest)) = typed.split_once("://") else {
        return refuse("it is neither stdio nor a URL");
    };
    match scheme {
        "ws" => {}
        "wss" => return refuse("TLS is for a proxy in front of the executor"),
        _ => return refuse("only ws:// is known"),
    }
    let address = rest.strip_suffix('/').unwrap_or(rest);
    let address = match address.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => address.to_owned(),
    };
    match address.parse::<SocketAddr>() {
        Ok(address) => Ok(Listen::Ws(address)),
        Err(_) => refuse("after ws:// an IP address and a port are wanted, and no path"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which listen addresses are understood, and that others are refused as usage.
    #[test]
    fn listen_takes_ws_addresses_and_stdio() {
        let ws = |address: &str| Listen::Ws(address.parse().unwrap());
        assert_eq!(listen("stdio").unwrap(), Listen::Stdio);
        assert_eq!(listen("ws://127.0.0.1:0").unwrap(), ws("127.0.0.1:0"));
        assert_eq!(listen("ws://[::1]:7411/").unwrap(), ws("[::1]:7411"));
        assert_eq!(listen("ws://localhost:1").unwrap(), ws("127.0.0.1:1"));
        for refused in [
            "",
            "127.0.0.1:1",
            "wss://127.0.0.1:1",
            "http://127.0.0.1:1",
            "ws://host:1",
            "ws://127.0.0.1",
            "ws://127.0.0.1:1/x",
        ] {
            assert_eq!(listen(refused).unwrap_err().code, ExitCode::ServeUsage, "{refused}");
        }
    }
}
