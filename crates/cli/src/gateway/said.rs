//! What the gateway says of itself once it listens.

use super::plan::{At, Plan};
use afield_gateway::Gateway;
use std::io::Write;

/// Prints the address as the first line, for whoever started this and gave port 0; then a line for each route.
pub(super) fn listening(plan: &Plan, gateway: &Gateway) {
    let base = format!("http://{}", gateway.local_addr());
    let mut text = format!("{base}\n");
    let width = gateway.routes().iter().map(|route| route.path().len()).max().unwrap_or_default();
    for route in gateway.routes() {
        let place =
            plan.routes.iter().find(|wanted| wanted.name == route.name()).map(|wanted| name(&wanted.place));
        let place = place.unwrap_or_default();
        text.push_str(&format!("{base}{:width$}  {}  from {place}\n", route.path(), route.shown_url()));
    }
    if let Some(place) = &plan.proxy {
        text.push_str(&format!("HTTP_PROXY={base}  for http:// URLs, from {}\n", name(place)));
    }
    // Nobody need read it.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    tracing::info!(address = %gateway.local_addr(), routes = gateway.routes().len(), "listening");
}

fn name(place: &At) -> String {
    match place {
        At::Here => "here".to_owned(),
        At::Url(url) => afield_exchange::redacted_url(url),
        At::Named(executor) => executor.name.clone(),
        At::Nowhere(_) => "nowhere: it cannot be used".to_owned(),
    }
}
