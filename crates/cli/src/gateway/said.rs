//! What the gateway says of itself once it listens.

use super::plan::{At, Plan};
use crate::console::print;
use afield_gateway::Gateway;

/// Prints the address as the first line, for whoever started this and gave port 0; then a line for each route.
pub(super) async fn listening(plan: &Plan, gateway: &Gateway) {
    let base = format!("http://{}", gateway.local_addr());
    let mut text = format!("{base}\n");
    let routes = gateway.handle().routes().await;
    let width = routes.iter().map(|route| route.at.len()).max().unwrap_or_default();
    for route in &routes {
        let wanted = plan.routes.iter().find(|wanted| wanted.name == route.name);
        let place = wanted.map_or_else(String::new, |wanted| match wanted.offered {
            true => format!("{}, which offers it", name(&wanted.place)),
            false => name(&wanted.place),
        });
        text.push_str(&format!("{:width$}  {}  from {place}\n", route.at, route.leads_to));
    }
    if let Some(place) = &plan.proxy {
        text.push_str(&format!("HTTP_PROXY={base}  for http:// URLs, from {}\n", name(place)));
    }
    // Nobody need read it.
    let _ = print(text);
    tracing::info!(address = %gateway.local_addr(), routes = routes.len(), "listening");
}

fn name(place: &At) -> String {
    match place {
        At::Here => "here".to_owned(),
        At::Url(url) => afield_exchange::redacted_url(url),
        At::Named(executor) => executor.name.clone(),
        At::Nowhere(_) => "nowhere: it cannot be used".to_owned(),
    }
}
