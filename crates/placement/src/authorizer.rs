use afield_client::HttpClient;
use afield_config::{McpServer, OAuth, Variables};
use afield_mcp::login::{
    Authorizer, ClientCredentials, ClientProof, ClientSettings, LoginError, Secret, Server, TokenStore,
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
        ..ClientSettings::default()
    })
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
    if let (true, Some(id), Some(secret)) = (oauth.client_credentials, &settings.id, &settings.secret) {
        let credentials = ClientCredentials {
            id: id.clone(),
            proof: ClientProof::Secret(secret.clone()),
            scopes: oauth.scopes.clone(),
            resource: oauth.resource.as_ref().map(|url| url.as_str().to_owned()),
        };
        return Ok(Authorizer::for_client(client, at, store, credentials));
    }
    Ok(Authorizer::new(client, at, store, settings))
}
