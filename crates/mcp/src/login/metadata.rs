use super::{
    LoginError, Server,
    discovery::well_known,
    places,
    wire::{self, unusable},
};
use afield_client::HttpClient;
use serde::Deserialize;
use url::Url;

const WHAT: &str = "the authorization server's metadata";

/// What an authorization server says of itself (RFC 8414, section 2; OpenID Connect Discovery 1.0, section 3).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: Option<String>,
    pub(crate) token_endpoint: String,
    pub(crate) registration_endpoint: Option<String>,
    pub(crate) revocation_endpoint: Option<String>,
    pub(crate) scopes_supported: Vec<String>,
    pub(crate) response_types_supported: Option<Vec<String>>,
    pub(crate) code_challenge_methods_supported: Option<Vec<String>>,
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    pub(crate) token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    pub(crate) authorization_response_iss_parameter_supported: bool,
    pub(crate) client_id_metadata_document_supported: bool,
}

impl Metadata {
    /// What servers of the revision 2025-03-26 without metadata are taken to offer.
    pub(crate) fn legacy(origin: &Url) -> Self {
        let at = |path: &str| {
            let mut url = origin.clone();
            url.set_path(path);
            String::from(url)
        };
        Self {
            issuer: origin.origin().ascii_serialization(),
            authorization_endpoint: Some(at("/authorize")),
            token_endpoint: at("/token"),
            registration_endpoint: Some(at("/register")),
            ..Self::default()
        }
    }

    /// Who it is, as a person may be shown it.
    pub(crate) fn shown_issuer(&self) -> String {
        wire::shown(&self.issuer, &[])
    }

    /// The endpoint where a person signs in.
    pub(crate) fn authorization(&self) -> Result<Url, LoginError> {
        let endpoint = self.authorization_endpoint.as_deref().and_then(|url| Url::parse(url).ok());
        endpoint.ok_or_else(|| {
            LoginError::Unsupported(format!(
                "{} has no page to sign in at (no authorization_endpoint)",
                self.shown_issuer()
            ))
        })
    }

    /// Whether a code can be asked for and be bound to this client by PKCE (RFC 7636).
    pub(crate) fn check_code_grant(&self) -> Result<(), LoginError> {
        let lacks = |values: &Option<Vec<String>>, value: &str| {
            values.as_ref().is_some_and(|values| !values.iter().any(|offered| offered == value))
        };
        let missing = if lacks(&self.response_types_supported, "code") {
            "the authorization code grant (response type `code`)"
        } else if lacks(&self.code_challenge_methods_supported, "S256") {
            "PKCE with S256"
        } else {
            return Ok(());
        };
        Err(LoginError::Unsupported(format!(
            "{} does not offer {missing}, which a login needs",
            self.shown_issuer()
        )))
    }

    /// Whether clients may authenticate in this way. One that says nothing takes what a server must take.
    pub(crate) fn takes(&self, method: &str) -> bool {
        match &self.token_endpoint_auth_methods_supported {
            Some(methods) => methods.iter().any(|offered| offered == method),
            None => matches!(method, "client_secret_basic" | "none"),
        }
    }
}

/// The metadata of the authorization server with this identifier, if it publishes any.
pub(crate) async fn of(
    client: &dyn HttpClient,
    server: &Server,
    issuer: &Url,
) -> Result<Option<Metadata>, LoginError> {
    // What is wrong in one place is no reason not to look in the next; but it is told if there is nothing.
    let mut wrong = None;
    for url in candidates(issuer) {
        let found = match wire::document(client, WHAT, &url).await {
            Ok(reply) if reply.head.status == 200 && is_object(&reply.body) => {
                read(server, issuer, &url, &reply.body)
            }
            Ok(reply) if reply.head.status >= 500 => Err(wire::status(WHAT, &url, &reply)),
            Ok(_) => continue,
            Err(error @ LoginError::Document { .. }) => Err(error),
            Err(error) => return Err(error),
        };
        match found {
            Ok(metadata) => return Ok(Some(metadata)),
            Err(error) => drop(wrong.get_or_insert(error)),
        }
    }
    wrong.map_or(Ok(None), Err)
}

pub(super) fn read(server: &Server, issuer: &Url, at: &Url, body: &[u8]) -> Result<Metadata, LoginError> {
    let metadata: Metadata = wire::read(body).map_err(|error| unusable(WHAT, at, error.to_string()))?;
    if !same(&metadata.issuer, issuer.as_str()) {
        let why = format!(
            "its issuer is `{}`, and it was asked for that of `{}` (RFC 8414, section 3.3)",
            wire::shown(&metadata.issuer, &[]),
            afield_exchange::redacted_url(issuer.as_str()),
        );
        let hint = format!(
            "if that is the authorization server's own word, say so in the server's section `oauth`: `issuer = {:?}`",
            wire::shown(&metadata.issuer, &[])
        );
        return Err(unusable(WHAT, at, why).with_hint(hint));
    }
    let endpoints = [
        Some(&metadata.token_endpoint),
        metadata.authorization_endpoint.as_ref(),
        metadata.registration_endpoint.as_ref(),
        metadata.revocation_endpoint.as_ref(),
    ];
    for endpoint in endpoints.into_iter().flatten() {
        // What the authorization server may not be led to from its own place, nor from the server's.
        for from in [server.url(), issuer] {
            places::named(from, endpoint)
                .map_err(|why| unusable(WHAT, at, format!("an endpoint it names: {why}")))?;
        }
    }
    Ok(metadata)
}

/// Where an authorization server's metadata may be, in the order of the MCP specification.
fn candidates(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let [oauth, openid] =
        ["oauth-authorization-server", "openid-configuration"].map(|name| well_known(issuer, name));
    let mut places = vec![oauth[0].clone(), openid[0].clone()];
    if !path.is_empty() {
        let mut appended = issuer.clone();
        appended.set_query(None);
        appended.set_path(&format!("{path}/.well-known/openid-configuration"));
        places.push(appended);
    }
    places
}

/// Whether two identifiers are the same, but for a slash at the end of their path: many write one in one place and none in
/// another, and no two authorization servers differ by it.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let bare = |text: &str| match Url::parse(text) {
        Ok(url) if url.query().is_none() && url.fragment().is_none() => {
            text.strip_suffix('/').unwrap_or(text).to_owned()
        }
        _ => text.to_owned(),
    };
    bare(one) == bare(other)
}

/// Whether a body is a JSON object at all: a page that says "not found" with status 200 is no metadata.
pub(crate) fn is_object(body: &[u8]) -> bool {
    matches!(serde_json::from_slice(body), Ok(serde_json::Value::Object(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the order in which the metadata of an authorization server is looked for.
    #[test]
    fn metadata_is_looked_for_in_the_specified_order() {
        let paths = |url: &str| {
            let url = Url::parse(url).unwrap();
            candidates(&url).iter().map(|url| url.path().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            paths("https://auth/tenant/"),
            [
                "/.well-known/oauth-authorization-server/tenant",
                "/.well-known/openid-configuration/tenant",
                "/tenant/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            paths("https://auth"),
            ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
        );
    }

    /// Proves that metadata of another issuer is not taken, and that a slash at the end makes no other issuer (case 172).
    #[test]
    fn only_a_last_slash_may_differ_between_issuers() {
        assert!(same("https://auth", "https://auth/"));
        assert!(same("https://auth/t", "https://auth/t"));
        assert!(same("https://auth/t", "https://auth/t/"));
        for (one, other) in [
            ("https://auth/t", "https://auth/t//"),
            ("https://auth/t", "https://auth/u"),
            ("https://auth", "https://auth.evil"),
            ("", "https://auth"),
            ("https://auth/?t=1", "https://auth/"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
