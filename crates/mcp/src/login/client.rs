use super::{
    LoginError, Secret,
    metadata::Metadata,
    wire::{self, unusable},
};
use afield_client::HttpClient;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

const WHAT: &str = "registering as a client";

/// What afield is to authorization servers.
///
/// The first that fits is used: a configured client, a client metadata document where the authorization server takes one,
/// registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// The id of a client registered by hand.
    pub id: Option<String>,
    /// Its secret, if it has one.
    pub secret: Option<Secret>,
    /// The `https:` URL of a client id metadata document, which is then the id.
    pub metadata_url: Option<String>,
    /// The name shown to who signs in, where afield registers itself. Default: `afield`.
    pub name: String,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self { id: None, secret: None, metadata_url: None, name: "afield".to_owned() }
    }
}

/// How a client authenticates where tokens are given out (RFC 6749, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientAuth {
    None,
    ClientSecretBasic,
    ClientSecretPost,
}

/// A client as an authorization server knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: Option<Secret>,
    pub(crate) auth: ClientAuth,
    /// Whether afield registered it, so that the secret is the store's to keep.
    pub(crate) registered: bool,
    /// The redirect URI it was registered with.
    pub(crate) redirect_uri: Option<String>,
    /// Seconds since 1970 when the secret ends; 0 for never.
    #[serde(default)]
    pub(crate) secret_expires_at: u64,
}

impl Client {
    /// A client that was registered by hand.
    pub(crate) fn configured(id: &str, secret: Option<&Secret>, metadata: &Metadata) -> Self {
        let secret = secret.cloned();
        let auth = secret.as_ref().map_or(ClientAuth::None, |_| with_secret(metadata));
        Self { id: id.to_owned(), secret, auth, registered: false, redirect_uri: None, secret_expires_at: 0 }
    }

    /// Whether this registration still serves a login with this redirect URI.
    pub(crate) fn serves(&self, redirect_uri: &str, now: u64) -> bool {
        let lasts = self.secret_expires_at == 0 || self.secret_expires_at > now + 60;
        self.registered && lasts && self.redirect_uri.as_deref() == Some(redirect_uri)
    }
}

/// Without a word from the server, the way that every server must take.
fn with_secret(metadata: &Metadata) -> ClientAuth {
    if !metadata.takes("client_secret_basic") && metadata.takes("client_secret_post") {
        ClientAuth::ClientSecretPost
    } else {
        ClientAuth::ClientSecretBasic
    }
}

/// The client to log in as; registers one if need be (RFC 7591). `known` is one registered before with this server.
pub(crate) async fn obtain(
    client: &dyn HttpClient,
    settings: &ClientSettings,
    metadata: &Metadata,
    redirect_uri: &str,
    scopes: &[String],
    known: Option<Client>,
) -> Result<Client, LoginError> {
    if let Some(id) = &settings.id {
        return Ok(Client::configured(id, settings.secret.as_ref(), metadata));
    }
    if let Some(url) =
        settings.metadata_url.as_ref().filter(|_| metadata.client_id_metadata_document_supported)
    {
        let fits = Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.path() != "/");
        if !fits {
            let why = "the client metadata document's URL has to be https: and to have a path";
            return Err(LoginError::Unsupported(why.into()));
        }
        return Ok(Client::configured(url, None, metadata));
    }
    if let Some(known) = known {
        return Ok(known);
    }
    let Some(endpoint) = metadata.registration_endpoint.as_ref().and_then(|url| Url::parse(url).ok()) else {
        return Err(LoginError::NoRegistration { issuer: metadata.issuer.clone() });
    };
    register(client, settings, metadata, &endpoint, redirect_uri, scopes).await
}

/// The answer to a registration (RFC 7591, section 3.2.1).
#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<Secret>,
    #[serde(default)]
    client_secret_expires_at: u64,
    token_endpoint_auth_method: Option<String>,
}

async fn register(
    client: &dyn HttpClient,
    settings: &ClientSettings,
    metadata: &Metadata,
    endpoint: &Url,
    redirect_uri: &str,
    scopes: &[String],
) -> Result<Client, LoginError> {
    let method = ["none", "client_secret_basic", "client_secret_post"];
    let method = method.into_iter().find(|method| metadata.takes(method)).unwrap_or("none");
    let mut request = json!({
        "client_name": settings.name,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
        "application_type": "native",
    });
    if !scopes.is_empty() {
        request["scope"] = scopes.join(" ").into();
    }
    let reply = wire::json(client, WHAT, endpoint, &request).await?;
    if !reply.is_success() {
        return Err(super::token::refusal(WHAT, endpoint, &reply, &[]));
    }
    let registered: Registered = serde_json::from_slice(&reply.body)
        .map_err(|_| unusable(WHAT, endpoint, "the answer has no client_id"))?;
    // Some answer with an empty secret where there is none.
    let secret = registered.client_secret.filter(|secret| !secret.expose().is_empty());
    let auth = match (&secret, registered.token_endpoint_auth_method.as_deref()) {
        (None, _) | (_, Some("none")) => ClientAuth::None,
        (_, Some("client_secret_post")) => ClientAuth::ClientSecretPost,
        (_, Some("client_secret_basic")) => ClientAuth::ClientSecretBasic,
        _ => with_secret(metadata),
    };
    Ok(Client {
        id: registered.client_id,
        secret,
        auth,
        registered: true,
        redirect_uri: Some(redirect_uri.to_owned()),
        secret_expires_at: registered.client_secret_expires_at,
    })
}
