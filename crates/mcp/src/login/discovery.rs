//! Who gives out tokens for a server (RFC 9728, then RFC 8414 or OpenID Connect Discovery).

use super::{
    Challenge, LoginError, Server,
    metadata::{self, Metadata},
    places,
    wire::{self, unusable},
};
use afield_client::HttpClient;
use serde::Deserialize;
use url::Url;

const RESOURCE: &str = "the server's OAuth metadata";

/// What a login has to know of a server.
pub(crate) struct Discovered {
    /// What tokens are asked for (RFC 8707).
    pub(crate) resource: String,
    /// The scopes that the server's challenge asks for, else those that it knows.
    pub(crate) scopes: Vec<String>,
    /// The authorization server.
    pub(crate) metadata: Metadata,
}

/// What a server says of itself (RFC 9728, section 2).
#[derive(Deserialize)]
struct Resource {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
}

/// Finds out who gives out tokens for this server.
///
/// Where no challenge is at hand, the server is asked for one first. Then come the well-known places, and last, for
/// servers of the revision 2025-03-26, the server itself.
///
/// Cancel safe: nothing of it changes anything.
pub(crate) async fn discover(
    client: &dyn HttpClient,
    server: &Server,
    challenge: Option<&Challenge>,
) -> Result<Discovered, LoginError> {
    let (asked, refused) = match challenge {
        Some(challenge) => (Some(challenge.clone()), true),
        None => {
            let head = wire::probe(client, server.url()).await?;
            (Challenge::of(&head), head.status == 401)
        }
    };
    let asked = asked.unwrap_or_default();
    if let Some((resource, at)) = resource(client, server, &asked).await? {
        let scopes = if asked.scope.is_some() { asked.scopes() } else { resource.scopes_supported };
        let metadata = first(client, server, &at, &resource.authorization_servers).await?;
        return Ok(Discovered { resource: resource.resource, scopes, metadata });
    }
    let mut origin = server.url().clone();
    origin.set_path("/");
    origin.set_query(None);
    let metadata = match metadata::of(client, server, &origin).await? {
        Some(metadata) => metadata,
        None if refused => Metadata::legacy(&origin),
        None => return Err(LoginError::NoAuthorizationServer(server.to_string())),
    };
    let mut resource = server.url().clone();
    resource.set_query(None);
    Ok(Discovered { resource: resource.into(), scopes: asked.scopes(), metadata })
}

/// The server's metadata and where it was, from where its challenge says or from the well-known places.
async fn resource(
    client: &dyn HttpClient,
    server: &Server,
    challenge: &Challenge,
) -> Result<Option<(Resource, Url)>, LoginError> {
    if let Some(place) = &challenge.resource_metadata {
        let url = server
            .url()
            .join(place)
            .map_err(|_| "it is no URL".to_owned())
            .and_then(|url| places::named(server.url(), url.as_str()))
            .map_err(|why| unusable(RESOURCE, server.url(), format!("the place it names: {why}")))?;
        let reply = wire::document(client, RESOURCE, &url).await?;
        if reply.head.status != 200 {
            return Err(wire::status(RESOURCE, &url, &reply));
        }
        return read(server, &url, &reply.body).map(|resource| Some((resource, url)));
    }
    for url in well_known(server.url(), "oauth-protected-resource") {
        let reply = wire::document(client, RESOURCE, &url).await?;
        if reply.head.status == 200 && metadata::is_object(&reply.body) {
            return read(server, &url, &reply.body).map(|resource| Some((resource, url)));
        }
    }
    Ok(None)
}

fn read(server: &Server, at: &Url, body: &[u8]) -> Result<Resource, LoginError> {
    let resource: Resource =
        serde_json::from_slice(body).map_err(|error| unusable(RESOURCE, at, error.to_string()))?;
    if !is_for(server.url(), &resource.resource) {
        let why = "it is about another server: its `resource` is neither the server's URL nor above it";
        return Err(unusable(RESOURCE, at, why));
    }
    Ok(resource)
}

/// Whether `resource` is the server or contains it (RFC 9728, section 3.3). A token for anything else could be meant for
/// somebody else.
fn is_for(server: &Url, resource: &str) -> bool {
    let Ok(resource) = Url::parse(resource) else { return false };
    if resource.fragment().is_some() || resource.origin() != server.origin() {
        return false;
    }
    let above = resource.path().trim_end_matches('/');
    let rest = server.path().strip_prefix(above);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The metadata of the first authorization server that has any.
async fn first(
    client: &dyn HttpClient,
    server: &Server,
    at: &Url,
    issuers: &[String],
) -> Result<Metadata, LoginError> {
    let mut refused = None;
    for issuer in issuers {
        let found = match places::named(server.url(), issuer) {
            Ok(issuer) => metadata::of(client, server, &issuer).await,
            Err(why) => Err(unusable(RESOURCE, at, format!("an authorization server it names: {why}"))),
        };
        match found {
            Ok(Some(metadata)) => return Ok(metadata),
            Ok(None) => {}
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    let nothing = || unusable(RESOURCE, at, "no authorization server that it names publishes metadata");
    Err(refused.unwrap_or_else(nothing))
}

/// Where documents of this name are: with the path put behind the name, and for the whole host.
pub(crate) fn well_known(url: &Url, name: &str) -> Vec<Url> {
    let path = url.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.set_path(&path);
        url
    };
    let mut places = vec![at(format!("/.well-known/{name}{path}"))];
    if !path.is_empty() {
        places.push(at(format!("/.well-known/{name}")));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that only metadata about the server, or about what contains it, is the server's.
    #[test]
    fn metadata_about_another_server_is_not_taken() {
        let server = Url::parse("https://host/a/mcp?x=1").unwrap();
        for (resource, expected) in [
            ("https://host/a/mcp", true),
            ("https://host/a/mcp/", true),
            ("https://host/a", true),
            ("https://host", true),
            ("https://host/a/m", false),
            ("https://host/a/mcp/b", false),
            ("https://other/a/mcp", false),
            ("http://host/a/mcp", false),
            ("https://host/a#x", false),
            ("host", false),
        ] {
            assert_eq!(is_for(&server, resource), expected, "{resource}");
        }
    }

    /// Proves that a path goes behind the well-known name, and that the whole host comes after.
    #[test]
    fn a_path_goes_behind_the_well_known_name() {
        let places = |url: &str| {
            let url = Url::parse(url).unwrap();
            well_known(&url, "n").iter().map(|url| url.path().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(places("http://h/a/b/?q"), ["/.well-known/n/a/b", "/.well-known/n"]);
        assert_eq!(places("http://h"), ["/.well-known/n"]);
    }
}
