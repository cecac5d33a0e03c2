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
    /// How it proves that it is that client. Default: as the authorization server says it can.
    pub auth: Option<ClientAuth>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self { id: None, secret: None, metadata_url: None, name: "afield".to_owned(), auth: None }
    }
}

/// How a client authenticates where tokens are given out (RFC 6749, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// By its id alone: a public client.
    None,
    /// By its secret in the `Authorization` field.
    ClientSecretBasic,
    /// By its secret among the fields of the form.
    ClientSecretPost,
}

impl ClientAuth {
    /// All of them, those first that afield registers itself for where it may choose.
    const ALL: [Self; 3] = [Self::None, Self::ClientSecretPost, Self::ClientSecretBasic];

    /// Its name in metadata (RFC 7591, section 2).
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|auth| auth.name() == name)
    }
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
    /// The scopes it was registered for: some give it no others. Unknown of those that an earlier version registered.
    #[serde(default)]
    pub(crate) scopes: Option<Vec<String>>,
}

impl Client {
    /// A client that was registered by hand.
    pub(crate) fn configured(
        id: &str,
        secret: Option<&Secret>,
        auth: Option<ClientAuth>,
        metadata: &Metadata,
    ) -> Self {
        let secret = secret.cloned();
        let offered = || secret.as_ref().map_or(ClientAuth::None, |_| with_secret(metadata));
        let auth = auth.unwrap_or_else(offered);
        Self {
            id: id.to_owned(),
            secret,
            auth,
            registered: false,
            redirect_uri: None,
            secret_expires_at: 0,
            scopes: None,
        }
    }

    /// A stored client, with what is configured of it by now: the secret of one registered by hand is not in the store.
    pub(crate) fn as_configured(&self, settings: &ClientSettings) -> Self {
        if self.registered || settings.id.as_ref() != Some(&self.id) {
            return self.clone();
        }
        let secret = settings.secret.clone().or_else(|| self.secret.clone());
        let auth = settings.auth.unwrap_or(match (&secret, self.auth) {
            // It was given a secret since.
            (Some(_), ClientAuth::None) => ClientAuth::ClientSecretBasic,
            (_, auth) => auth,
        });
        Self { secret, auth, ..self.clone() }
    }

    /// Whether this registration still serves a login with this redirect URI for these scopes.
    pub(crate) fn serves(&self, redirect_uri: &str, scopes: &[String], now: u64) -> bool {
        let lasts = self.secret_expires_at == 0 || self.secret_expires_at > now + 60;
        let covers =
            |known: &Vec<String>| known.is_empty() || scopes.iter().all(|scope| known.contains(scope));
        self.registered
            && lasts
            && self.redirect_uri.as_deref() == Some(redirect_uri)
            && self.scopes.as_ref().is_none_or(covers)
    }
}

/// The way that the server names first; without a word from it, the way that every server must take.
fn with_secret(metadata: &Metadata) -> ClientAuth {
    let offered = metadata.token_endpoint_auth_methods_supported.iter().flatten();
    let by_secret = offered.filter_map(|name| ClientAuth::named(name)).find(|auth| *auth != ClientAuth::None);
    by_secret.unwrap_or(ClientAuth::ClientSecretBasic)
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
        return Ok(Client::configured(id, settings.secret.as_ref(), settings.auth, metadata));
    }
    if let Some(url) =
        settings.metadata_url.as_ref().filter(|_| metadata.client_id_metadata_document_supported)
    {
        let fits = Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.path() != "/");
        if !fits {
            let why = "the client metadata document's URL has to be https: and to have a path";
            return Err(LoginError::Unsupported(why.into()));
        }
        return Ok(Client::configured(url, None, None, metadata));
    }
    if let Some(known) = known {
        return Ok(known);
    }
    let Some(endpoint) = metadata.registration_endpoint.as_ref().and_then(|url| Url::parse(url).ok()) else {
        return Err(LoginError::NoRegistration { issuer: metadata.shown_issuer() });
    };
    register(client, settings, metadata, &endpoint, redirect_uri, scopes).await
}

/// The answer to a registration (RFC 7591, section 3.2.1).
#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<Secret>,
    client_secret_expires_at: Option<serde_json::Value>,
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
    let offered = ClientAuth::ALL.into_iter().find(|auth| metadata.takes(auth.name()));
    let method = settings.auth.or(offered).unwrap_or(ClientAuth::None);
    let mut request = json!({
        "client_name": settings.name,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method.name(),
        "application_type": "native",
    });
    if !scopes.is_empty() {
        request["scope"] = scopes.join(" ").into();
    }
    let reply = wire::json(client, WHAT, endpoint, &request).await?;
    if !reply.is_success() {
        return Err(super::token::refusal(WHAT, endpoint, &reply, &[]));
    }
    let registered: Registered =
        wire::read(&reply.body).map_err(|_| unusable(WHAT, endpoint, "the answer has no client_id"))?;
    // Some answer with an empty secret where there is none.
    let secret = registered.client_secret.filter(|secret| !secret.expose().is_empty());
    let granted = registered.token_endpoint_auth_method.as_deref().and_then(ClientAuth::named);
    let auth = match (&secret, granted) {
        (None, _) => ClientAuth::None,
        (_, Some(granted)) => granted,
        // It gave a secret without a word about how it is to be told.
        _ if method != ClientAuth::None => method,
        _ => with_secret(metadata),
    };
    Ok(Client {
        id: registered.client_id,
        secret,
        auth,
        registered: true,
        redirect_uri: Some(redirect_uri.to_owned()),
        secret_expires_at: registered.client_secret_expires_at.as_ref().map_or(0, ends_at),
        scopes: Some(scopes.to_vec()),
    })
}

/// Seconds since 1970 when a secret ends, 0 for never: as a number, or as the text that some write. What is no time at all
/// ends nothing; a secret that has ended is refused, and then registered anew.
fn ends_at(given: &serde_json::Value) -> u64 {
    let seconds = match given {
        serde_json::Value::String(text) => text.trim().parse::<f64>().ok(),
        given => given.as_f64(),
    };
    seconds.filter(|seconds| seconds.is_finite()).map_or(0, |seconds| seconds.max(0.0) as u64)
}
