//! The one place where it is decided whether `afield gateway` would start as it is told to.

use super::{
    cannot_start,
    clients::Nobody,
    flags::Flags,
    misnamed,
    plan::{At, Own, Plan},
};
use crate::{faults::Faults, files::Used, mcp::login::settings};
use afield_client::HttpClient;
use afield_config::{Config as File, Executor, Variables};
use afield_gateway::{Config, Route, TokenDigest};
use afield_placement::client_credentials;
use std::{collections::BTreeMap, sync::Arc};

/// What is meant, as far as it can be; and what keeps a gateway from starting so, or is worth a word. Reads every file that is
/// named, and every variable; binds and asks nothing.
pub(super) fn check(flags: &Flags, config: &File) -> (Plan, Faults) {
    let mut faults = Faults::default();
    let plan = Plan::meant(flags, config, &mut faults);
    let executors = executors(&plan, config);
    for executor in executors.values() {
        let fix = "requests that need it fail; perhaps it is there where they are made";
        if let Some(Err(why)) = executor.token.as_ref().map(|token| token.read(&Variables::of_process())) {
            faults.warn(format!("executors.{}: its token: {why}", executor.name), fix);
        }
        faults.files(Used::of_credential(executor.token.as_ref()));
        faults.files(executor.ca.clone().map(Used::Decides));
        faults.files(Used::of_identity(executor.identity.as_ref()));
    }
    let own = [&flags.gateway_token_file, &flags.place.token_file, &flags.place.reach.executor_key];
    faults.files(own.into_iter().flatten().cloned().map(Used::Secret));
    let own = [&flags.place.ca, &flags.place.reach.executor_certificate];
    faults.files(own.into_iter().flatten().cloned().map(Used::Decides));
    if flags.gateway_token_file.is_none() {
        faults.files(Used::of_credential(config.gateway.token.as_ref()));
    }
    if plan.token.is_none() {
        for name in names(&plan).filter(|name| !is_trusted(name)) {
            let what = format!(
                "under the name {name:?} browsers do not say for whom they ask, so that images of foreign pages pass for programs: \
                 ask for a token"
            );
            faults.warn(what, "set gateway.token_file");
        }
    }
    let mut routes = Vec::new();
    for wanted in &plan.routes {
        if let Some(oauth) = &wanted.login {
            faults.files(Used::of_credential(oauth.client_secret.as_ref()));
            if let Err(why) = settings(oauth).and_then(|settings| {
                client_credentials(oauth, &settings).map(drop).map_err(|error| error.to_string())
            }) {
                faults.warn(format!("the server {:?} cannot be used: {why}", wanted.name), "");
            }
        }
        let client: Arc<dyn HttpClient> = Arc::new(Nobody);
        let route = Route::new(&*wanted.name, &*wanted.url, client).and_then(|route| match &wanted.own {
            Some(Own::Host(host)) => route.host(host),
            Some(Own::Listener(address)) => Ok(route.listen(*address)),
            None => Ok(route),
        });
        routes.extend(faults.or(route.map(Some).map_err(|error| misnamed(&error)), None));
    }
    let gateway = Config {
        listen: plan.listen,
        exposed: plan.exposed,
        token: plan.token.as_ref().map(|token| TokenDigest::of(token)),
        routes,
        ..Config::default()
    };
    faults.or(gateway.check().map_err(|error| cannot_start(&error)), ());
    (plan, faults)
}

/// The names by which the gateway or a route can be addressed.
fn names(plan: &Plan) -> impl Iterator<Item = &str> {
    let own = plan.routes.iter().filter_map(|wanted| match &wanted.own {
        Some(Own::Host(host)) => Some(&**host),
        _ => None,
    });
    plan.allowed_hosts.iter().map(|name| &**name).chain(own)
}

/// Whether browsers take a name for this machine's own, and then say in `Sec-Fetch-Site` for whom they ask (Secure Contexts,
/// section 3.1).
fn is_trusted(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(|ip| ip.is_loopback())
}

/// The executors of the configuration: those that a gateway uses, and, for the other commands, those that it does not.
fn executors<'a>(plan: &'a Plan, config: &'a File) -> BTreeMap<&'a str, &'a Executor> {
    let used = plan.routes.iter().map(|wanted| &wanted.place).chain(&plan.proxy);
    let used = used.filter_map(|place| match place {
        At::Named(executor) => Some(&**executor),
        _ => None,
    });
    let all = config.executors.values().map(|executor| &**executor);
    all.chain(used).map(|executor| (&*executor.name, executor)).collect()
}
