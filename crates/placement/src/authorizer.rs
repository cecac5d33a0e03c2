use afield_client::HttpClient;
use afield_config::{McpServer, OAuth, Variables};
use afield_mcp::login::{
    Authorizer, Beforehand, ClientAuth, ClientCredentials, ClientProof, ClientSettings, LoginError, Resource,
    Secret, Server, TokenStore,
};
use std::sync::Arc;

/// Why a server has nobody to get tokens from.
#[derive(Debug, thiserror::Error)]
pub enum NoAuthorizer {
    /// What the configuration says of its client cannot be used.
    #[error("the oauth section: {0}")]
    Settings(String),
    /// Its URL is none that tokens could be for.
    #[error(transparent)]
    Server(LoginError),
}

/// What the configuration says of the OAuth client. Reads the secret's file; may block.
///
/// # Errors
///
/// The secret cannot be read.
pub fn client_settings(oauth: &OAuth, variables: &Variables) -> Result<ClientSettings, NoAuthorizer> {
    let secret = oauth.client_secret.as_ref().map(|secret| secret.read(variables));
    let secret = secret.transpose().map_err(NoAuthorizer::Settings)?;
    Ok(ClientSettings {
        id: oauth.client_id.clone(),
        secret: secret.map(|secret| Secret::new(secret.expose())),
        metadata_url: oauth.client_metadata_url.as_ref().map(|url| url.as_str().to_owned()),
        auth: oauth.token_endpoint_auth_method.and_then(ClientAuth::named),
        ..ClientSettings::default()
    })
}

/// What the configuration knows that the server publishes wrongly or not at all.
pub fn beforehand(oauth: &OAuth) -> Beforehand {
    let resource = match (&oauth.resource, oauth.without_resource) {
        (_, true) => Resource::Omitted,
        (Some(url), false) => Resource::Named(url.as_str().to_owned()),
        (None, false) => Resource::Discovered,
    };
    Beforehand { resource, issuer: oauth.issuer.as_ref().map(|url| url.as_str().to_owned()) }
}

/// The client's own login, where the configuration wants one.
///
/// # Errors
///
/// It wants one, and does not say who the client is.
pub fn client_credentials(
    oauth: &OAuth,
    settings: &ClientSettings,
) -> Result<Option<ClientCredentials>, NoAuthorizer> {
    if !oauth.client_credentials {
        return Ok(None);
    }
    let (Some(id), Some(secret)) = (&settings.id, &settings.secret) else {
        return Err(NoAuthorizer::Settings(
            "client_credentials need client_id and a client secret".to_owned(),
        ));
    };
    Ok(Some(ClientCredentials {
        id: id.clone(),
        proof: ClientProof::Secret(secret.clone()),
        scopes: oauth.scopes.clone(),
        auth: settings.auth,
        beforehand: beforehand(oauth),
    }))
}

/// Who gets the tokens of a server: what somebody logged in, or the server's own client credentials. All that is asked is
/// asked through the server's own client.
pub(crate) fn of_server(
    server: &McpServer,
    client: Arc<dyn HttpClient>,
    store: TokenStore,
    variables: &Variables,
) -> Result<Authorizer, NoAuthorizer> {
    let at = Server::new(server.url.as_str(), &server.environment).map_err(NoAuthorizer::Server)?;
    let oauth = server.oauth.clone().unwrap_or_default();
    let settings = client_settings(&oauth, variables)?;
    if let Some(credentials) = client_credentials(&oauth, &settings)? {
        return Ok(Authorizer::for_client(client, at, store, credentials));
    }
    Ok(Authorizer::new(client, at, store, settings))
}
