//! Names that stand for servers.

use crate::{
    authorize::Authorize,
    host::{Host, name},
    path::climbs,
};
use afield_client::HttpClient;
use afield_exchange::{Error, Header, detail, redacted_url};
use std::{fmt, net::SocketAddr, sync::Arc};
use url::Url;

/// A name in the gateway's paths that stands for a server's URL.
///
/// `/NAME` is that URL, `/NAME/rest` that URL with `/rest` at its end (a slash that is there already is not doubled). A
/// query of the caller's follows the URL's own, behind an `&`. Nothing is decoded or encoded on the way.
#[derive(Clone)]
pub struct Route {
    name: String,
    /// The name as it stands in a request, behind a slash.
    path: String,
    /// The URL up to its query.
    base: String,
    query: Option<String>,
    client: Arc<dyn HttpClient>,
    headers: Vec<Header>,
    authorize: Option<Arc<dyn Authorize>>,
    own: Option<OwnOrigin>,
}

/// What makes a route an origin of its own for web browsers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnOrigin {
    /// A listener of its own.
    Listener(SocketAddr),
    /// A host of its own on the gateway's listener.
    Host(String),
}

/// Why a route cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The name cannot stand in a path, or is the gateway's own.
    #[error("a route cannot be called {name:?}: {why}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// The URL is none of an HTTP server.
    #[error("the route {name:?} cannot lead to {url:?}: {why}")]
    Url {
        /// The route.
        name: String,
        /// The URL, without what may be secret in it.
        url: String,
        /// Why not.
        why: String,
    },
    /// Two routes have one name.
    #[error("two routes are called {0:?}")]
    Twice(String),
    /// What is to be a route's own cannot be.
    #[error("the route {name:?} cannot have {own:?} to itself: {why}")]
    Own {
        /// The route.
        name: String,
        /// The host or the address.
        own: String,
        /// Why not.
        why: &'static str,
    },
}

impl Route {
    /// `name` stands for `url`, whose requests `client` performs.
    ///
    /// A name may have several segments (`team/search`). Other characters than letters, digits, `-`, `.`, `_` and `~` stand in
    /// paths as percent escapes, with upper-case digits.
    ///
    /// # Errors
    ///
    /// A name that cannot stand in a path (an empty segment, `.`, `..`) or is `readyz`; a URL that is not `http:` or `https:`,
    /// has no host, or has a fragment.
    pub fn new(
        name: impl Into<String>,
        url: impl Into<String>,
        client: Arc<dyn HttpClient>,
    ) -> Result<Self, RouteError> {
        let (name, url) = (name.into(), url.into());
        if let Some(why) = refused_name(&name) {
            return Err(RouteError::Name { name, why });
        }
        if let Err(why) = check_url(&url) {
            return Err(RouteError::Url { name, url: redacted_url(&url), why });
        }
        let path = format!("/{}", name.split('/').map(escaped).collect::<Vec<_>>().join("/"));
        let (base, query) = match url.split_once('?') {
            Some((base, query)) => (base.to_owned(), Some(query.to_owned())),
            None => (url, None),
        };
        Ok(Self { name, path, base, query, client, headers: Vec::new(), authorize: None, own: None })
    }

    /// Adds a header field to each request that brings none of this name.
    #[must_use]
    pub fn header(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }

    /// Adds a token to each request that brings no `Authorization`.
    #[must_use]
    pub fn authorize(mut self, authorize: Arc<dyn Authorize>) -> Self {
        self.authorize = Some(authorize);
        self
    }

    /// Gives the route a listener of its own, and nothing else on it: `http://ADDRESS:PORT/rest` is its URL plus `/rest`.
    ///
    /// To web browsers it is an origin of its own then: its pages may be opened, and cannot read those of other routes. It
    /// is not at `/NAME` any more.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.own = Some(OwnOrigin::Listener(address));
        self
    }

    /// Gives the route a host of its own on the gateway's listener, such as `docs.localhost`; as with
    /// [`listen`](Self::listen) it is an origin of its own then, and has cookies of its own too.
    ///
    /// # Errors
    ///
    /// What is no name of a host, or means this machine as a whole.
    pub fn host(mut self, host: &str) -> Result<Self, RouteError> {
        let own = match Host::of_authority(host.as_bytes()) {
            Some(Host::Name(own)) if own != "localhost" && name(host) == own => own,
            _ => {
                let why = "a name is wanted, without a port, such as docs.localhost";
                return Err(RouteError::Own { name: self.name, own: host.to_owned(), why });
            }
        };
        self.own = Some(OwnOrigin::Host(own));
        Ok(self)
    }

    pub(crate) fn own(&self) -> Option<&OwnOrigin> {
        self.own.as_ref()
    }

    pub(crate) fn own_host(&self) -> Option<&str> {
        match &self.own {
            Some(OwnOrigin::Host(host)) => Some(host),
            _ => None,
        }
    }

    pub(crate) fn own_listener(&self) -> Option<SocketAddr> {
        match &self.own {
            Some(OwnOrigin::Listener(address)) => Some(*address),
            _ => None,
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path that stands for the server: a slash and the name.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The server's URL as it may be shown: without userinfo and query.
    pub fn shown_url(&self) -> String {
        redacted_url(&self.base)
    }

    pub(crate) fn client(&self) -> &Arc<dyn HttpClient> {
        &self.client
    }

    pub(crate) fn headers(&self) -> &[Header] {
        &self.headers
    }

    pub(crate) fn authorizer(&self) -> Option<&dyn Authorize> {
        self.authorize.as_deref()
    }

    /// The URL that a request means: `rest` is what follows the name in its path, empty or from a slash on.
    ///
    /// # Errors
    ///
    /// A `rest` that leads out of the server's URL, or that whoever performs the request would rewrite.
    pub(crate) fn url(&self, rest: &str, query: Option<&str>) -> Result<String, Error> {
        if rest.contains('\\') || climbs(rest) {
            let message = "a path with . or .. segments, in whatever spelling, or with a backslash: resolve it before it is sent";
            return Err(Error::invalid(detail::URL, message));
        }
        let mut url = self.base.clone();
        match rest {
            "" => {}
            rest if url.ends_with('/') => url.push_str(&rest[1..]),
            rest => url.push_str(rest),
        }
        let queries = [self.query.as_deref(), query];
        for (query, sign) in queries.into_iter().flatten().zip(['?', '&']) {
            url.push(sign);
            url.push_str(query);
        }
        Ok(url)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("name", &self.name)
            .field("url", &self.shown_url())
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

fn refused_name(name: &str) -> Option<&'static str> {
    if name == "readyz" {
        return Some("the gateway answers there whether it is ready");
    }
    if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Some("a segment is empty, . or ..");
    }
    None
}

fn check_url(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("only http: and https: servers have a route".to_owned());
    }
    if url.fragment().is_some() {
        return Err("a fragment is never sent: leave it out".to_owned());
    }
    let authority_follows = text.get(url.scheme().len()..).is_some_and(|rest| rest.starts_with("://"));
    match url.host_str().and_then(Host::parse) {
        Some(_) if authority_follows => Ok(()),
        _ => Err("scheme://host is missing".to_owned()),
    }
}

fn escaped(segment: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| match unreserved(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    segment.bytes().map(escape).collect()
}

/// Whether any free port is meant, of which each gets another.
fn is_any(route: &Route) -> bool {
    matches!(route.own(), Some(OwnOrigin::Listener(address)) if address.port() == 0)
}

/// All routes, the longest path first.
pub(crate) struct Routes(Vec<Route>);

impl Routes {
    pub fn new(mut routes: Vec<Route>) -> Result<Self, RouteError> {
        for (at, route) in routes.iter().enumerate() {
            let taken = |other: &Route| route.own().is_some() && other.own() == route.own() && !is_any(route);
            if routes[..at].iter().any(taken) {
                let own = match route.own() {
                    Some(OwnOrigin::Listener(address)) => address.to_string(),
                    Some(OwnOrigin::Host(host)) => host.clone(),
                    None => String::new(),
                };
                let why = "another route has it";
                return Err(RouteError::Own { name: route.name.clone(), own, why });
            }
        }
        routes.sort_by(|a, b| b.path.len().cmp(&a.path.len()).then_with(|| a.path.cmp(&b.path)));
        match routes.windows(2).find(|pair| pair[0].path == pair[1].path) {
            Some(pair) => Err(RouteError::Twice(pair[0].name.clone())),
            None => Ok(Self(routes)),
        }
    }

    /// The route of this name.
    pub fn named(&self, name: &str) -> Option<&Route> {
        self.0.iter().find(|route| route.name == name)
    }

    /// The route that has this host to itself.
    pub fn of_host(&self, host: &str) -> Option<&Route> {
        self.0.iter().find(|route| route.own_host() == Some(host))
    }

    /// The routes that have a listener to themselves, and which.
    pub fn own_listeners(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.0.iter().filter_map(|route| Some((route.name(), route.own_listener()?)))
    }

    /// Of those without an origin of their own, the route with the longest name at the beginning of `path`, and what follows
    /// it.
    pub fn find<'a>(&self, path: &'a str) -> Option<(&Route, &'a str)> {
        self.0.iter().filter(|route| route.own.is_none()).find_map(|route| {
            let rest = path.strip_prefix(&*route.path)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((route, rest))
        })
    }

    /// In the order of their names.
    pub fn sorted(&self) -> Vec<&Route> {
        let mut routes: Vec<_> = self.0.iter().collect();
        routes.sort_by(|a, b| a.name.cmp(&b.name));
        routes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_client::{Exchange, HttpClient};
    use afield_exchange::{Buffered, Request, Response};

    struct Nobody;

    impl HttpClient for Nobody {
        fn stream(&self, _: Request) -> Exchange<'_, Response> {
            Box::pin(async { Err(Error::cancelled()) })
        }

        fn call(&self, _: Request) -> Exchange<'_, Buffered> {
            Box::pin(async { Err(Error::cancelled()) })
        }
    }

    fn route(name: &str, url: &str) -> Result<Route, RouteError> {
        Route::new(name, url, Arc::new(Nobody))
    }

    /// Proves what URL a path and a query mean, byte for byte.
    #[test]
    fn a_path_means_the_url_and_what_follows_it() {
        for (base, rest, query, url) in [
            ("http://h/mcp", "", None, "http://h/mcp"),
            ("http://h/mcp", "/", None, "http://h/mcp/"),
            ("http://h/mcp", "/a//b;c=%2F%c3", Some("x=%20&&y"), "http://h/mcp/a//b;c=%2F%c3?x=%20&&y"),
            ("http://h/mcp/", "", None, "http://h/mcp/"),
            ("http://h/mcp/", "/a", None, "http://h/mcp/a"),
            ("http://h", "", None, "http://h"),
            ("http://h", "/a", Some(""), "http://h/a?"),
            ("http://h/mcp?key=1", "", None, "http://h/mcp?key=1"),
            ("http://h/mcp?key=1", "/a", None, "http://h/mcp/a?key=1"),
            ("http://h/mcp?key=1", "/a", Some("x?y"), "http://h/mcp/a?key=1&x?y"),
            ("http://h/mcp", "/...", None, "http://h/mcp/..."),
        ] {
            assert_eq!(route("r", base).unwrap().url(rest, query).unwrap(), url);
        }
    }

    /// Proves that no path leads out of the server's URL, and that none is rewritten unseen.
    #[test]
    fn a_path_that_climbs_is_refused() {
        let route = route("r", "http://h/mcp").unwrap();
        for rest in ["/..", "/a/../../b", "/.", "/%2e%2E/x", "/.%2e", "/a\\..\\b"] {
            assert!(route.url(rest, None).is_err(), "{rest}");
        }
    }

    /// Proves that the longest name wins, that names end at a segment's end, and that the first letter's case matters.
    #[test]
    fn the_longest_name_wins() {
        let all = [("a", "http://one/"), ("a/b", "http://two/"), ("my server", "http://three/")];
        let routes = Routes::new(all.iter().map(|(name, url)| route(name, url).unwrap()).collect()).unwrap();
        for (path, found) in [
            ("/a", Some(("a", ""))),
            ("/a/", Some(("a", "/"))),
            ("/a/b", Some(("a/b", ""))),
            ("/a/b/c", Some(("a/b", "/c"))),
            ("/a/bc", Some(("a", "/bc"))),
            ("/my%20server/x", Some(("my server", "/x"))),
            ("/ab", None),
            ("/A", None),
            ("/", None),
            ("*", None),
        ] {
            let got = routes.find(path).map(|(route, rest)| (route.name(), rest));
            assert_eq!(got, found, "{path}");
        }
    }

    /// Proves that what cannot be a route is refused with a reason, and without a secret.
    #[test]
    fn what_cannot_be_a_route_is_refused() {
        for name in ["", "readyz", "a//b", "/a", "a/", "..", "a/./b"] {
            assert!(matches!(route(name, "http://h/"), Err(RouteError::Name { .. })), "{name}");
        }
        for url in ["", "h", "ftp://h/", "http:/h", "http://h/#f", "http://", "ws://h/"] {
            assert!(matches!(route("r", url), Err(RouteError::Url { .. })), "{url}");
        }
        let error = route("r", "ftp://u:canary@h/?canary").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        let twice = vec![route("a", "http://h/").unwrap(), route("a", "http://i/").unwrap()];
        assert_eq!(Routes::new(twice).err(), Some(RouteError::Twice("a".to_owned())));
    }
}
