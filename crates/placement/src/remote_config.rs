use afield_client::{Dialect, Endpoint, RemoteConfig};
use afield_config::{Executor, Reach, Variables};
use afield_egress::CaPolicy;
use afield_exchange::{Blame, Error, Kind, Retry};
use afield_transport::{BearerToken, ClientIdentity, Proxy};

/// How the configuration says to reach an executor, its token included. Reads the token's file; may block.
///
/// # Errors
///
/// A token that cannot be read (kind `unauthorized`), a proxy or pin that makes no sense (kind `invalid_request`). Nothing
/// was sent: `retry` is `safe` or `no`.
pub fn remote_config(executor: &Executor, variables: &Variables) -> Result<RemoteConfig, Error> {
    let endpoint = match &executor.reach {
        Reach::Url(url) if url.scheme() == "ssh" => Endpoint::ssh(url.as_str()).ok_or_else(|| {
            let message =
                format!("the executor {}: its url is not ssh://[USER@]HOST[:PORT][/FILE]", executor.name);
            Error::new(Kind::InvalidRequest, Blame::Caller, Retry::No, message)
        })?,
        Reach::Url(url) => Endpoint::Url(url.as_str().to_owned()),
        Reach::Unix(path) => Endpoint::Url(format!("unix:{}", path.display())),
        Reach::Command(start) => Endpoint::Command {
            program: start.program.clone(),
            arguments: start.args.clone(),
            variables: start
                .env
                .iter()
                .map(|(name, value)| (name.clone(), value.expose().to_owned()))
                .collect(),
        },
    };
    let wrong = |what: &str, why: String| {
        let message = format!("the executor {}: {what}: {why}", executor.name);
        Error::new(Kind::InvalidRequest, Blame::Caller, Retry::No, message)
    };
    let mut config = RemoteConfig::new(String::new());
    config.endpoint = endpoint;
    config.token = token(executor, variables)?;
    config.ca = executor.ca.clone().map_or_else(CaPolicy::default, CaPolicy::File);
    for pin in &executor.pinned_certificates {
        config.pins.push(pin.parse().map_err(|why: String| wrong("a pinned certificate", why))?);
    }
    config.identity = executor.identity.as_ref().map(|identity| ClientIdentity {
        certificate: identity.certificate.clone(),
        key: identity.key.clone(),
    });
    let proxy = executor.proxy.as_ref().map(|url| Proxy::parse(url.as_str()));
    config.proxy = proxy.transpose().map_err(|why| wrong("the proxy", why))?;
    config.dialect = match executor.dialect {
        afield_config::Dialect::Auto => Dialect::Auto,
        afield_config::Dialect::Base => Dialect::Base,
    };
    config.allow_plaintext_token = executor.allow_plaintext_token;
    config.connect_timeout = executor.connect_timeout;
    Ok(config)
}

/// The executor's token, if it wants one.
pub(crate) fn token(executor: &Executor, variables: &Variables) -> Result<Option<BearerToken>, Error> {
    let Some(credential) = &executor.token else { return Ok(None) };
    let secret = credential.read(variables).map_err(|why| {
        let message = format!("the executor {}: its token: {why}", executor.name);
        Error::new(Kind::Unauthorized, Blame::Caller, Retry::Safe, message)
    })?;
    Ok(Some(BearerToken::new(secret.expose())))
}
