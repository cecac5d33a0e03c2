//! What a request is for.

use crate::{
    host::Host,
    listener::Entrance,
    live::Live,
    refusal::Refusal,
    route::{Route, Routes},
};
use afield_client::HttpClient;
use afield_exchange::{Blame, Error, Kind, Retry, detail};
use http::{
    HeaderValue, Method, StatusCode,
    header::{ALLOW, HOST},
    request::Parts,
};
use serde_json::json;
use std::sync::Arc;

/// What a request that was let in is for.
pub(crate) enum Target<'a> {
    /// The list of routes.
    Index,
    /// Whether the gateway is ready.
    Ready,
    /// A server that has a route, and the URL at it.
    Route(&'a Route, String),
    /// This URL, as through any proxy, performed by this client.
    Proxy(&'a Arc<dyn HttpClient>, String),
}

/// Lets the request in, and says what it is for (RFC 9112, section 3.2).
pub(crate) fn of<'a>(request: &Parts, entrance: &Entrance, live: &'a Live) -> Result<Target<'a>, Refusal> {
    if request.method == Method::CONNECT {
        return Err(connect());
    }
    let (access, headers) = (&live.access, &request.headers);
    let own = own_route(request, entrance, &live.routes)?;
    access.check_origin(headers, own)?;
    if request.uri.authority().is_some() {
        access.check_token(headers)?;
        return match &live.proxy {
            Some(client) if *entrance == Entrance::Main => Ok(Target::Proxy(client, request.uri.to_string())),
            _ => Err(no_proxy()),
        };
    }
    access.check_host(headers, own)?;
    let path = request.uri.path();
    if let Some(route) = own {
        access.check_fetch(headers, true)?;
        access.check_token(headers)?;
        let rest = if path == "/" { "" } else { path };
        return Ok(Target::Route(route, route.url(rest, request.uri.query())?));
    }
    let is_ours = matches!(path, "/" | "/readyz");
    access.check_fetch(headers, is_ours)?;
    if path == "/readyz" {
        return Ok(Target::Ready);
    }
    access.check_token(headers)?;
    match live.routes.find(path) {
        Some((route, rest)) => Ok(Target::Route(route, route.url(rest, request.uri.query())?)),
        None if path == "/" && matches!(request.method, Method::GET | Method::HEAD) => Ok(Target::Index),
        None => Err(no_route(&live.routes)),
    }
}

/// The route that has this request's origin to itself, if one has.
fn own_route<'a>(
    request: &Parts,
    entrance: &Entrance,
    routes: &'a Routes,
) -> Result<Option<&'a Route>, Refusal> {
    match entrance {
        Entrance::Route(name) => match routes.named(name) {
            Some(route) => Ok(Some(route)),
            None => Err(no_route(routes)),
        },
        Entrance::Main if request.uri.authority().is_some() => Ok(None),
        Entrance::Main => {
            let host = request.headers.get(HOST).and_then(|value| Host::of_authority(value.as_bytes()));
            Ok(match host {
                Some(Host::Name(name)) => routes.of_host(&name),
                _ => None,
            })
        }
    }
}

fn connect() -> Refusal {
    let message = "the gateway makes no tunnels, for what is inside one would not leave from the executor: give an https \
                   server a route and use http://…/NAME, or send the gateway its URL in absolute form";
    let error = Error::invalid(detail::METHOD, message);
    let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error).with(ALLOW, allowed)
}

fn no_proxy() -> Refusal {
    let message = "this gateway is no forward proxy: it was told not to be";
    let error = Error::new(Kind::PolicyDenied, Blame::Operator, Retry::No, message).with_detail("proxy");
    Refusal::new(StatusCode::FORBIDDEN, error)
}

fn no_route(routes: &Routes) -> Refusal {
    let message = match routes.sorted().is_empty() {
        true => "no route begins like this path: the gateway has none",
        false => "no route begins like this path; \"routes\" lists those there are",
    };
    let list: Vec<_> = routes.sorted().iter().map(|route| route.path().to_owned()).collect();
    Refusal::new(StatusCode::NOT_FOUND, Error::invalid("route", message)).saying("routes", json!(list))
}
