use super::places;
use afield_client::{Exchange, HttpClient};
use afield_exchange::{Buffered, Request, Response};
use std::sync::Arc;
use url::Url;

/// The client of a login: whatever a server named, under whatever name, leads no nearer than the server itself is.
///
/// What is told of a URL by looking at it is refused before it is asked ([`places`]). Where a *name* leads, only whoever
/// performs the request finds out; so each request says what it must not reach.
pub(crate) struct Guarded<C> {
    client: C,
    server: Url,
}

impl<C> Guarded<C> {
    pub(crate) fn new(client: C, server: &Url) -> Self {
        Self { client, server: server.clone() }
    }

    fn guarded(&self, mut request: Request) -> Request {
        request.ruled_out = places::ruled_out(&self.server, &request.url);
        request
    }
}

impl HttpClient for Guarded<Arc<dyn HttpClient>> {
    fn stream(&self, request: Request) -> Exchange<'_, Response> {
        self.client.stream(self.guarded(request))
    }

    fn call(&self, request: Request) -> Exchange<'_, Buffered> {
        self.client.call(self.guarded(request))
    }
}

impl HttpClient for Guarded<&dyn HttpClient> {
    fn stream(&self, request: Request) -> Exchange<'_, Response> {
        self.client.stream(self.guarded(request))
    }

    fn call(&self, request: Request) -> Exchange<'_, Buffered> {
        self.client.call(self.guarded(request))
    }
}
