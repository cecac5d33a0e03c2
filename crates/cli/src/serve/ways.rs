use super::held::source;
use afield_config as file;
use afield_config::Problem;
use afield_egress::{ClientCertificate, Proxy, TlsVersion, Upstream, UpstreamCa, UpstreamError, Upstreams};

/// As whom, and by which way, origins are met, as a file says it.
pub(super) fn upstreams(said: &[file::Upstream], problems: &mut Vec<Problem>) -> Upstreams {
    let mut rules = Vec::new();
    for (at, upstream) in said.iter().enumerate() {
        if said[..at].iter().any(|other| other.name == upstream.name) {
            let twice = UpstreamError::Twice(upstream.name.value.clone());
            problems.push(upstream.name.problem(twice.to_string(), "rename one of them"));
            continue;
        }
        match rule(upstream) {
            Ok(rule) => {
                rules.push(rule);
                if let Err(error) = Upstreams::new(rules.iter().cloned()) {
                    rules.pop();
                    let fix = "put it before that one, or take it out";
                    problems.push(upstream.name.problem(error.to_string(), fix));
                }
            }
            Err(error) => {
                let at = match (&error, &upstream.proxy) {
                    (UpstreamError::Proxy(_), Some(proxy)) => {
                        problems.push(proxy.url.problem(error.to_string(), "write scheme://host:port"));
                        continue;
                    }
                    (UpstreamError::Place { .. } | UpstreamError::Places(_), _) => upstream.hosts.first(),
                    _ => None,
                };
                let at = at.unwrap_or(&upstream.name);
                problems.push(at.problem(error.to_string(), "see docs/policy.md"));
            }
        }
    }
    Upstreams::new(rules).expect("each was tried beside those before it")
}

fn rule(said: &file::Upstream) -> Result<Upstream, UpstreamError> {
    let mut rule = Upstream::new(said.name.as_str(), said.hosts.iter().map(|host| host.as_str()))?;
    if !said.principals.is_empty() {
        rule = rule.principals(said.principals.iter().map(|name| name.as_str()));
    }
    if let Some(file::ClientIdentity { certificate, key }) = said.identity.clone() {
        rule = rule.certificate(ClientCertificate { certificate, key });
    }
    if let Some(file) = said.ca.clone() {
        rule = rule.ca(UpstreamCa { file, only: said.ca_only });
    }
    if said.allow_own_host {
        rule = rule.allow_own_host();
    }
    if said.min_tls == file::TlsVersion::Tls13 {
        rule = rule.min_tls(TlsVersion::Tls13);
    }
    match &said.proxy {
        None => Ok(rule),
        Some(said) => {
            let mut proxy = Proxy::new(said.url.as_str())?;
            if let Some((user, password)) = &said.credentials {
                proxy = proxy.credentials(user.as_str(), source(password));
            }
            Ok(rule.proxy(if said.resolves_names { proxy.names_resolved_there() } else { proxy }))
        }
    }
}
