//! What the fuzz target of the gateway needs, and nobody else.

use crate::{Config, Route, listener::Entrance, live::Live, target};
use afield_client::{Exchange, HttpClient};
use afield_exchange::{Buffered, Error, Request, Response};
use std::sync::Arc;

struct Nobody;

impl HttpClient for Nobody {
    fn stream(&self, _: Request) -> Exchange<'_, Response> {
        Box::pin(async { Err(Error::cancelled()) })
    }

    fn call(&self, _: Request) -> Exchange<'_, Buffered> {
        Box::pin(async { Err(Error::cancelled()) })
    }
}

/// The URL that a request to a gateway with one route of each kind would be performed for: `path` by a path, `host.localhost`
/// by a host of its own, both leading to `base`. `None`: it is refused, or answered here.
///
/// # Panics
///
/// When `base` is no server's URL.
pub fn performed_for(request: http::Request<()>, base: &str) -> Option<String> {
    let client: Arc<dyn HttpClient> = Arc::new(Nobody);
    let route = |name: &str| Route::new(name, base, client.clone()).expect("the base is a server's URL");
    let own = route("host").host("host.localhost").expect("it is the name of a host");
    let config = Config { routes: vec![route("path"), own], ..Config::default() };
    let live = Live::new(config).unwrap_or_else(|_| unreachable!("the configuration is right"));
    let (parts, ()) = request.into_parts();
    match target::of(&parts, &Entrance::Main, &live) {
        Ok(target::Target::Route(_, url)) => Some(url),
        _ => None,
    }
}
