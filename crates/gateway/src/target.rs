//! What a request is for.

use crate::{
    access::Access,
    refusal::Refusal,
    route::{Route, Routes},
};
use afield_exchange::{Blame, Error, Kind, Retry, detail};
use http::{HeaderValue, Method, StatusCode, header::ALLOW, request::Parts};
use serde_json::json;

/// What a request that was let in is for.
pub(crate) enum Target<'a> {
    /// The list of routes.
    Index,
    /// Whether the gateway is ready.
    Ready,
    /// A server that has a route, and the URL at it.
    Route(&'a Route, String),
    /// This URL, as through any proxy.
    Proxy(String),
}

/// Lets the request in, and says what it is for (RFC 9112, section 3.2).
pub(crate) fn of<'a>(
    request: &Parts,
    access: &Access,
    routes: &'a Routes,
    has_proxy: bool,
) -> Result<Target<'a>, Refusal> {
    if request.method == Method::CONNECT {
        return Err(connect());
    }
    access.check_origin(&request.headers)?;
    if request.uri.authority().is_some() {
        access.check_token(&request.headers)?;
        return match has_proxy {
            true => Ok(Target::Proxy(request.uri.to_string())),
            false => Err(no_proxy()),
        };
    }
    access.check_host(&request.headers)?;
    let path = request.uri.path();
    if path == "/readyz" {
        return Ok(Target::Ready);
    }
    access.check_token(&request.headers)?;
    match routes.find(path) {
        Some((route, rest)) => Ok(Target::Route(route, route.url(rest, request.uri.query())?)),
        None if path == "/" && matches!(request.method, Method::GET | Method::HEAD) => Ok(Target::Index),
        None => Err(no_route(routes)),
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
