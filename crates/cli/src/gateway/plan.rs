use super::{check::check, flags::Flags, offered::Offered};
use crate::console::note;
use crate::mcp::offered::using_offered;
use crate::{
    ExitCode, config_flags,
    failure::Failure,
    faults::Faults,
    inherited,
    place::{Place, Reach},
    token::Token,
};
use afield_config::{Config, Credential, Executor, McpServer, OAuth, Placement, Variables};
use afield_exchange::Header;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

/// What flags and configuration mean.
pub(super) struct Plan {
    pub listen: SocketAddr,
    pub exposed: bool,
    pub token: Option<String>,
    pub allowed_hosts: Vec<String>,
    pub allowed_origins: Vec<String>,
    pub routes: Vec<Wanted>,
    /// Where the forward proxy's requests leave from, if there is one.
    pub proxy: Option<At>,
    pub grace: Duration,
    /// Files, besides the configuration, whose contents are kept until they are read again.
    pub files: Vec<PathBuf>,
    /// Whether other gateways may listen on its ports.
    pub reuse_port: bool,
    pub access: Access,
}

/// How executors and origins are reached as far as flags say it.
#[derive(Clone)]
pub(super) struct Access {
    pub reach: Reach,
    pub token: Option<Token>,
    pub ca: Option<PathBuf>,
}

/// Where requests leave from.
#[derive(Clone)]
pub(super) enum At {
    Here,
    /// The executor at this URL, reached as the flags say.
    Url(String),
    /// An executor of the configuration.
    Named(Arc<Executor>),
    /// Nowhere: the reason is what every request is answered with.
    Nowhere(String),
}

/// One route.
pub(super) struct Wanted {
    pub name: String,
    pub url: String,
    pub place: At,
    pub headers: Vec<Header>,
    /// How its token is come by; `None` where a login is none of the gateway's business.
    pub login: Option<OAuth>,
    /// Whether its executor offers it, and it does not stand in the configuration.
    pub offered: bool,
    /// What makes it an origin of its own to browsers.
    pub own: Option<Own>,
}

impl Wanted {
    fn own_listener(&self) -> Option<SocketAddr> {
        match self.own {
            Some(Own::Listener(address)) => Some(address),
            _ => None,
        }
    }
}

/// What a route has to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Host(String),
    Listener(SocketAddr),
}

impl Plan {
    /// What is meant, if a gateway can start with it. Says what is worth a word.
    ///
    /// # Errors
    ///
    /// Everything that keeps it from starting.
    pub fn of(flags: &Flags, offered: &Offered) -> Result<Self, Failure> {
        let mut config = flags.config.load()?;
        offered.adopt_into(&mut config);
        let (plan, faults) = check(flags, &config);
        let warned = faults.at_start()?;
        config_flags::warn(config.warnings.iter().chain(config.faults()));
        warned.iter().for_each(|what| note!("warning: {what}"));
        Ok(plan)
    }

    /// What is meant, as far as it can be. Notes what is refused.
    pub fn meant(flags: &Flags, config: &Config, faults: &mut Faults) -> Self {
        let variables = Variables::of_process();
        let place = faults.or(place(flags, config), At::Nowhere(String::new()));
        let servers = config.mcp_servers.values().filter(|server| server.enabled);
        let mut routes: Vec<Wanted> = servers.map(|server| of_server(server, &variables, faults)).collect();
        let mut more: Vec<_> =
            config.gateway.routes.iter().map(|(name, url)| (name.clone(), url.as_str().to_owned())).collect();
        for text in &flags.route {
            more.extend(faults.or(name_and_url(text).map(Some), None));
        }
        for (name, url) in more {
            routes.retain(|known| known.name != name);
            routes.push(Wanted {
                name,
                url,
                place: place.clone(),
                headers: Vec::new(),
                login: None,
                offered: false,
                own: None,
            });
        }
        give_own(flags, config, &mut routes, faults);
        let own: Vec<SocketAddr> = routes.iter().filter_map(Wanted::own_listener).collect();
        let reach = faults.or(flags.place.reach.reach(), Reach::default());
        let token = faults.or(Token::find(flags.place.token_file.as_deref()), None);
        let own_listen = flags.listen.as_deref().map_or(Ok(config.gateway.listen), listen);
        Self {
            listen: handed(faults.or(own_listen, config.gateway.listen), &own, &inherited::addresses()),
            exposed: flags.expose,
            token: faults.or(gateway_token(flags, config, &variables), None),
            allowed_hosts: [&flags.allow_host[..], &config.gateway.allowed_hosts].concat(),
            allowed_origins: flags.allow_origin.clone(),
            routes,
            proxy: (!flags.no_proxy).then_some(place),
            grace: Duration::from_secs(flags.grace),
            files: files(flags, config),
            reuse_port: flags.reuse_port,
            access: Access { reach, token, ca: flags.place.ca.clone() },
        }
    }
}

/// Where it listens: at a socket that was handed to this process, if one was; at which one, the address that is meant says, else
/// their order.
fn handed(meant: SocketAddr, own: &[SocketAddr], handed: &[SocketAddr]) -> SocketAddr {
    if handed.contains(&meant) {
        return meant;
    }
    handed.iter().find(|address| !own.contains(address)).copied().unwrap_or(meant)
}

/// Gives routes their own hosts and listeners. What flags say takes the place of what the configuration says.
fn give_own(flags: &Flags, config: &Config, routes: &mut [Wanted], faults: &mut Faults) {
    let gateway = &config.gateway;
    let hosts = gateway.route_hosts.iter().map(|(name, host)| (name.clone(), Own::Host(host.clone())));
    let listeners =
        gateway.route_listen.iter().map(|(name, address)| (name.clone(), Own::Listener(*address)));
    let mut all: Vec<(String, Own)> = hosts.chain(listeners).collect();
    for text in &flags.route_host {
        let own = name_and(text, "--route-host", "a name and a host", "docs=docs.localhost")
            .map(|(name, host)| Some((name, Own::Host(host))));
        all.extend(faults.or(own, None));
    }
    for text in &flags.route_listen {
        let own = name_and(text, "--route-listen", "a name and an address", "docs=127.0.0.1:7413")
            .and_then(|(name, address)| Ok(Some((name, Own::Listener(listen(&address)?)))));
        all.extend(faults.or(own, None));
    }
    for (name, own) in all {
        match routes.iter_mut().find(|route| route.name == name) {
            Some(route) => route.own = Some(own),
            // It may be offered, and not known yet.
            None if !using_offered(config).is_empty() => {
                faults
                    .warn(format!("there is no route {name:?} yet that could have an origin of its own"), "");
            }
            None => {
                let what = format!("there is no route {name:?} that could have an origin of its own");
                faults.refuse(
                    Failure::new(ExitCode::ServeUsage, what)
                        .with_hint("--route, gateway.routes and mcp_servers make routes"),
                );
            }
        }
    }
}

/// Where routes without a place of their own, and the proxy, leave from.
fn place(flags: &Flags, config: &Config) -> Result<At, Failure> {
    if flags.place.executor.is_none() {
        return Ok(match config.gateway.placement() {
            Ok(placement) => at(placement),
            Err(problem) => At::Nowhere(problem.to_string()),
        });
    }
    match flags.place.place() {
        Place::Local => Ok(At::Here),
        Place::Executor(url) if url.contains(':') => Ok(At::Url(url)),
        Place::Executor(name) => match config.placement(&name) {
            Ok(placement) => Ok(at(&placement)),
            Err(missing) => Err(Failure::usage(missing.to_string())
                .with_hint("--executor takes a URL, or the name of an executor in the configuration")),
        },
    }
}

fn at(placement: &Placement) -> At {
    match placement {
        Placement::Local => At::Here,
        Placement::Executor(executor) => At::Named(executor.clone()),
    }
}

/// A server that cannot be used fails alone, and never leaves from elsewhere instead.
fn of_server(server: &McpServer, variables: &Variables, faults: &mut Faults) -> Wanted {
    let mut place = match server.placement() {
        Ok(placement) => at(placement),
        Err(problem) => At::Nowhere(problem.to_string()),
    };
    let headers = server.resolve_headers(variables).unwrap_or_else(|error| {
        let what = format!("the server {:?} cannot be used: {error}", server.name);
        place = At::Nowhere(what.clone());
        // Of a server that is offered the variables are those of `afield serve`.
        if server.offer.is_none() {
            faults.warn(what, "");
        }
        Vec::new()
    });
    let login = (!server.sets_authorization()).then(|| server.oauth.clone().unwrap_or_default());
    Wanted {
        name: server.name.clone(),
        url: server.url.as_str().to_owned(),
        place,
        headers,
        login,
        offered: server.offered_by.is_some(),
        own: None,
    }
}

fn name_and_url(text: &str) -> Result<(String, String), Failure> {
    name_and(text, "--route", "a name and a URL", "docs=http://docs.internal/mcp")
}

fn name_and(text: &str, flag: &str, wanted: &str, example: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Failure::new(ExitCode::ServeUsage, format!("{flag} wants {wanted}"))
            .with_hint(format!("write {flag} {example}"))),
    }
}

fn listen(text: &str) -> Result<SocketAddr, Failure> {
    let address = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let address =
        address.strip_prefix("localhost:").map_or(address.to_owned(), |port| format!("127.0.0.1:{port}"));
    address.parse().map_err(|_| {
        Failure::new(
            ExitCode::ServeUsage,
            format!("cannot listen on {text:?}: an IP address and a port are wanted"),
        )
        .with_hint("write 127.0.0.1:7412, or 127.0.0.1:0 for any free port")
    })
}

fn files(flags: &Flags, config: &Config) -> Vec<PathBuf> {
    let of_config = match &config.gateway.token {
        Some(Credential::File(path)) => Some(path),
        _ => None,
    };
    [&flags.gateway_token_file, &flags.place.token_file]
        .into_iter()
        .filter_map(Option::as_ref)
        .chain(of_config)
        .cloned()
        .collect()
}

fn gateway_token(flags: &Flags, config: &Config, variables: &Variables) -> Result<Option<String>, Failure> {
    if flags.gateway_token_file.is_some() || variables.text("AFIELD_GATEWAY_TOKEN").is_some() {
        let token = Token::find_in(flags.gateway_token_file.as_deref(), "AFIELD_GATEWAY_TOKEN")?;
        return Ok(token.map(|token| token.expose().to_owned()));
    }
    let secret = config.gateway.token.as_ref().map(|credential| credential.read(variables)).transpose();
    let secret = secret.map_err(|why| Failure::new(ExitCode::Read, format!("gateway: {why}")))?;
    Ok(secret.map(|secret| secret.expose().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a socket which was handed over decides where a gateway listens, and that a route's own stays the route's (case 201).
    #[test]
    fn handed_sockets_decide_where_it_listens() {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        for (meant, own, given, expected) in [
            (1, &[][..], &[][..], 1),
            (1, &[], &[2], 2),
            (1, &[], &[2, 1], 1),
            (1, &[2], &[2, 3], 3),
            (1, &[2], &[2], 1),
        ] {
            let [own, given] = [own, given].map(|ports| ports.iter().copied().map(at).collect::<Vec<_>>());
            assert_eq!(handed(at(meant), &own, &given), at(expected), "{meant} {own:?} {given:?}");
        }
    }

    /// Proves which addresses are understood, and that others are refused as usage.
    #[test]
    fn listen_takes_an_address_and_a_port() {
        for (text, address) in [
            ("127.0.0.1:7412", "127.0.0.1:7412"),
            ("http://[::1]:0/", "[::1]:0"),
            ("localhost:80", "127.0.0.1:80"),
        ] {
            assert_eq!(listen(text).unwrap(), address.parse().unwrap());
        }
        for text in ["", "7412", "host:1", "ws://127.0.0.1:1", "127.0.0.1:1/x"] {
            assert_eq!(listen(text).unwrap_err().code, ExitCode::ServeUsage, "{text}");
        }
    }
}
