//! Who gives out tokens for a server (RFC 9728, then RFC 8414 or OpenID Connect Discovery).

use super::{
    Beforehand, Challenge, LoginError, Resource as Wanted, Server,
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
    /// What tokens are asked for (RFC 8707), if anything.
    pub(crate) resource: Option<String>,
    /// The scopes that the server's challenge asks for, else those that it knows.
    pub(crate) scopes: Vec<String>,
    /// The authorization server.
    pub(crate) metadata: Metadata,
}

/// What a server says of itself (RFC 9728, section 2).
#[derive(Deserialize)]
pub(super) struct Resource {
    #[serde(default)]
    resource: Option<String>,
    #[serde(default)]
    pub(super) authorization_servers: Vec<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
}

/// Finds out who gives out tokens for this server.
///
/// Where no challenge is at hand, the server is asked for one first. Then come the well-known places, and last, for
/// servers of the revision 2025-03-26, the server itself. A place that is of no use is passed over, and told of if nothing
/// else is found.
///
/// Cancel safe: nothing of it changes anything.
pub(crate) async fn discover(
    client: &dyn HttpClient,
    server: &Server,
    challenge: Option<&Challenge>,
    beforehand: &Beforehand,
) -> Result<Discovered, LoginError> {
    let (asked, refused) = match challenge {
        Some(challenge) => (challenge.clone(), true),
        None => ask(client, server).await?,
    };
    let mut wrong = None;
    let found = resource(client, server, &asked, beforehand, &mut wrong).await;
    let found = match (found, &beforehand.issuer) {
        // What the server publishes is not needed any more.
        (Err(_), Some(_)) => None,
        (found, _) => found?,
    };
    let mut own = server.url().clone();
    own.set_query(None);
    let (published, at) = found.unzip();
    let scopes = published.as_ref().map(|resource| resource.scopes_supported.clone()).unwrap_or_default();
    let scopes = if asked.scope.is_some() { asked.scopes() } else { scopes };
    let resource = published.as_ref().and_then(|published| published.resource.as_deref());
    let resource = beforehand.resource.of(resource.unwrap_or(own.as_str()));
    let mut origin = server.url().clone();
    origin.set_path("/");
    origin.set_query(None);
    let issuers = published.map(|resource| resource.authorization_servers).unwrap_or_default();
    let metadata = match (&beforehand.issuer, at) {
        (Some(issuer), _) => configured(client, server, issuer).await?,
        (None, Some(at)) if !issuers.is_empty() => first(client, server, &at, &issuers).await?,
        (None, at) => match metadata::of(client, server, &origin).await? {
            Some(metadata) => metadata,
            None => match wrong {
                Some(wrong) => return Err(wrong),
                // Servers of that revision say nothing of metadata.
                None if refused && at.is_none() && asked.resource_metadata.is_none() => {
                    Metadata::legacy(&origin)
                }
                None => return Err(LoginError::NoAuthorizationServer(server.to_string())),
            },
        },
    };
    Ok(Discovered { resource, scopes, metadata })
}

/// What the server wants of whoever asks it, and whether it refuses who brings nothing. Some open their stream to anybody,
/// or have none, and refuse only what is posted.
async fn ask(client: &dyn HttpClient, server: &Server) -> Result<(Challenge, bool), LoginError> {
    let mut refused = false;
    for method in ["GET", "POST"] {
        let head = wire::probe(client, method, server.url()).await?;
        refused |= head.status == 401;
        if let Some(challenge) = Challenge::of(&head).filter(|_| matches!(head.status, 401 | 403)) {
            return Ok((challenge, refused));
        }
    }
    Ok((Challenge::default(), refused))
}

/// The server's metadata and where it was, from where its challenge says or from the well-known places. Where it was looked
/// for in vain, `wrong` says why.
async fn resource(
    client: &dyn HttpClient,
    server: &Server,
    challenge: &Challenge,
    beforehand: &Beforehand,
    wrong: &mut Option<LoginError>,
) -> Result<Option<(Resource, Url)>, LoginError> {
    if let Some(place) = &challenge.resource_metadata {
        let url = server
            .url()
            .join(place)
            .map_err(|_| "it is no URL".to_owned())
            .and_then(|url| places::named(server.url(), url.as_str()))
            .map_err(|why| unusable(RESOURCE, server.url(), format!("the place it names: {why}")))?;
        match wire::document(client, RESOURCE, &url).await {
            Ok(reply) if reply.head.status == 200 => {
                return read(server, &url, &reply.body, beforehand).map(|resource| Some((resource, url)));
            }
            Ok(reply) => *wrong = Some(wire::status(RESOURCE, &url, &reply)),
            Err(error) => *wrong = Some(error),
        }
    }
    for url in well_known(server.url(), "oauth-protected-resource") {
        match wire::document(client, RESOURCE, &url).await {
            Ok(reply) if reply.head.status == 200 && metadata::is_object(&reply.body) => {
                return read(server, &url, &reply.body, beforehand).map(|resource| Some((resource, url)));
            }
            Ok(reply) if reply.head.status >= 500 => {
                wrong.get_or_insert_with(|| wire::status(RESOURCE, &url, &reply));
            }
            Ok(_) => {}
            Err(error @ LoginError::Document { .. }) => {
                wrong.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

pub(super) fn read(
    server: &Server,
    at: &Url,
    body: &[u8],
    beforehand: &Beforehand,
) -> Result<Resource, LoginError> {
    let resource: Resource = wire::read(body).map_err(|error| unusable(RESOURCE, at, error.to_string()))?;
    let shown = |url: &str| wire::shown(&afield_exchange::redacted_url(url), &[]);
    match resource.resource.as_deref() {
        Some(about) if is_for(server.url(), about) => Ok(resource),
        Some(about) if matches!(&beforehand.resource, Wanted::Named(named) if metadata::same(named, about)) => {
            Ok(resource)
        }
        None if beforehand.resource != Wanted::Discovered => Ok(resource),
        Some(about) => {
            let why = "it is about another server: its `resource` is neither the server's URL nor above it";
            let hint = format!(
                "if tokens for it are good for this server, say so in the server's section `oauth`: `resource = {:?}`",
                shown(about)
            );
            Err(unusable(RESOURCE, at, why).with_hint(hint))
        }
        None => {
            let hint = format!(
                "say in the server's section `oauth` what tokens are to be for: `resource = {:?}`, or \
                 `resource = false` for nothing",
                shown(server.url().as_str())
            );
            Err(unusable(RESOURCE, at, "it does not say what it is about (`resource`)").with_hint(hint))
        }
    }
}

/// The metadata of the authorization server that is configured.
async fn configured(client: &dyn HttpClient, server: &Server, issuer: &str) -> Result<Metadata, LoginError> {
    let url = places::named(server.url(), issuer)
        .map_err(|why| LoginError::Unsupported(format!("the configured `issuer`: {why}")))?;
    let metadata = metadata::of(client, server, &url).await?;
    metadata.ok_or_else(|| {
        let issuer = afield_exchange::redacted_url(issuer);
        LoginError::Unsupported(format!("the configured `issuer`, {issuer}, publishes no metadata"))
    })
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
