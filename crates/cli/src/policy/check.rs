use crate::{
    ExitCode, console::print, console::print_json, failure::Failure, request::failure, serve::Places,
};
use afield_egress::{CaPolicy, Decision, Egress, EgressConfig, Explanation, Verdict};
use serde_json::json;
use std::{fmt::Write, path::PathBuf};

/// What is asked.
pub(super) struct Asked<'a> {
    pub url: String,
    pub method: String,
    pub host: Option<String>,
    pub resolve: bool,
    pub principal: Option<&'a str>,
    pub json: bool,
}

/// Says what the policy says.
pub(super) async fn check(
    places: Places,
    ca: Option<PathBuf>,
    asked: Asked<'_>,
) -> Result<ExitCode, Failure> {
    let Places { policy, secrets, upstreams } = places;
    let ca = ca.map(CaPolicy::File).unwrap_or_default();
    let egress = Egress::new(EgressConfig { policy, secrets, upstreams, ca, ..EgressConfig::default() });
    let egress = egress.map_err(|error| Failure::new(ExitCode::ServeUsage, error.to_string()))?;
    let egress = match asked.principal {
        Some(principal) => egress.for_principal(principal),
        None => egress,
    };
    let host = asked.host.as_deref();
    let explained = egress.explain_with_host(&asked.method, &asked.url, host, asked.resolve).await;
    let explained = explained.map_err(|error| failure(&error, &asked.url))?;
    match asked.json {
        true => print_json(&as_json(&asked, &explained))?,
        false => print(as_text(&asked, &explained))?,
    }
    Ok(if decision(&explained.verdict).0 { ExitCode::Success } else { ExitCode::PolicyDenied })
}

/// Whether it may, by which rule, and whether that is so only for ordinary public addresses.
fn decision(verdict: &Verdict) -> (bool, &str, bool) {
    match verdict {
        Verdict::Allowed(rule) => (true, rule, false),
        Verdict::Denied(rule) => (false, rule, false),
        Verdict::DependsOnAddresses(Decision { allowed, rule }) => (*allowed, rule, true),
    }
}

fn as_json(asked: &Asked<'_>, explained: &Explanation) -> serde_json::Value {
    let (allowed, rule, depends) = decision(&explained.verdict);
    let addresses = explained.addresses.iter().map(|(address, decision)| {
        json!({ "address": address.to_string(), "allowed": decision.allowed, "rule": decision.rule })
    });
    let attached =
        explained.attached.iter().map(|(header, secret)| json!({ "header": header, "secret": secret }));
    json!({
        "allowed": allowed,
        "rule": rule,
        "dependsOnAddresses": depends,
        "method": asked.method,
        "scheme": explained.scheme.as_str(),
        "host": explained.host,
        "port": explained.port,
        "principal": asked.principal,
        "hostField": explained.host_field.as_ref().map(|(host, decision)| {
            json!({ "host": host, "allowed": decision.allowed, "rule": decision.rule })
        }),
        "addresses": addresses.collect::<Vec<_>>(),
        "upstream": explained.upstream,
        "attached": attached.collect::<Vec<_>>(),
    })
}

fn as_text(asked: &Asked<'_>, explained: &Explanation) -> String {
    let word = |allowed| if allowed { "allowed" } else { "denied" };
    let (allowed, rule, depends) = decision(&explained.verdict);
    let host = match explained.host.contains(':') {
        true => format!("[{}]", explained.host),
        false => explained.host.clone(),
    };
    let place = format!("{} {}://{host}:{}", asked.method, explained.scheme.as_str(), explained.port);
    let mut text = format!("{}: {place} by {rule}\n", word(allowed));
    if depends {
        text.push_str("  if its addresses are ordinary public ones; --resolve looks\n");
    }
    // Of an address all is said.
    let is_address = explained.host.parse::<std::net::IpAddr>().is_ok();
    for (address, decision) in explained.addresses.iter().filter(|_| !is_address) {
        let _ = writeln!(text, "  {address}: {} by {}", word(decision.allowed), decision.rule);
    }
    if let Some((host, decision)) = &explained.host_field {
        let _ = writeln!(text, "  as Host {host}: {} by {}", word(decision.allowed), decision.rule);
    }
    if let Some(upstream) = &explained.upstream {
        let _ = writeln!(text, "  by the upstream {upstream}");
    }
    for (header, secret) in &explained.attached {
        let _ = writeln!(text, "  with the secret {secret} in {header}");
    }
    text
}
