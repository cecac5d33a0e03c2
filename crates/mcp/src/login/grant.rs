use super::{
    Beforehand, LoginError, Secret, SigningKey, assertion,
    client::{Client, ClientAuth},
    credentials::{Credentials, now},
    discovery::discover,
    metadata::Metadata,
    server::Server,
    token::{self, Tokens},
};
use afield_client::HttpClient;
use std::{fmt, sync::Arc};
use url::Url;

/// A program's own login, without a person (the client credentials grant; RFC 6749, section 4.4).
#[derive(Clone)]
pub struct ClientCredentials {
    /// The client's id.
    pub id: String,
    /// What proves that it is the client.
    pub proof: ClientProof,
    /// The scopes to ask for; none asks for what the server's challenge says, else for what the client has.
    pub scopes: Vec<String>,
    /// How it tells its secret; none for what the authorization server says that it takes.
    pub auth: Option<ClientAuth>,
    /// What is known where the server publishes something else, or nothing.
    pub beforehand: Beforehand,
}

/// What proves that a program is the client it says it is.
#[derive(Clone)]
pub enum ClientProof {
    /// A secret that both know.
    Secret(Secret),
    /// Assertions signed with a private key, `private_key_jwt` (RFC 7523).
    Key(Arc<SigningKey>),
}

impl ClientCredentials {
    /// A token of this client's for this server. Not safe to cancel.
    pub(crate) async fn obtain(
        &self,
        http: &dyn HttpClient,
        server: &Server,
        generation: u64,
    ) -> Result<Credentials, LoginError> {
        let discovered = discover(http, server, None, &self.beforehand).await?;
        let metadata = discovered.metadata;
        let endpoint = Url::parse(&metadata.token_endpoint)
            .map_err(|_| LoginError::Unsupported("the token endpoint is no URL".into()))?;
        let resource = discovered.resource;
        let asked_at = now();
        let scopes = if self.scopes.is_empty() { discovered.scopes } else { self.scopes.clone() };
        let tokens = self.ask(http, &metadata, &endpoint, resource.as_deref(), &scopes).await?;
        Ok(Credentials {
            server: server.url().to_string(),
            placement: server.placement().to_owned(),
            issuer: metadata.issuer,
            token_endpoint: metadata.token_endpoint,
            revocation_endpoint: metadata.revocation_endpoint,
            resource,
            client: self.client(ClientAuth::None, None),
            scopes: tokens.scopes.unwrap_or(scopes),
            access_token: tokens.access_token,
            received_at: asked_at,
            expires_in: tokens.expires_in,
            // This grant is its own renewal (RFC 6749, section 4.4.3).
            refresh_token: None,
            login_needed: None,
            lacking: None,
            generation,
        })
    }

    async fn ask(
        &self,
        http: &dyn HttpClient,
        metadata: &Metadata,
        endpoint: &Url,
        resource: Option<&str>,
        scopes: &[String],
    ) -> Result<Tokens, LoginError> {
        let scope = scopes.join(" ");
        let mut fields = vec![("grant_type", "client_credentials")];
        fields.extend(resource.map(|resource| ("resource", resource)));
        if !scope.is_empty() {
            fields.push(("scope", &scope));
        }
        let assertion;
        let client = match &self.proof {
            ClientProof::Secret(secret) => Client::configured(&self.id, Some(secret), self.auth, metadata),
            ClientProof::Key(key) => {
                check(metadata, key)?;
                assertion = key.assertion(&self.id, &metadata.issuer, now())?;
                fields.push(("client_assertion_type", assertion::TYPE));
                fields.push(("client_assertion", assertion.expose()));
                self.client(ClientAuth::None, None)
            }
        };
        token::ask(http, "a token", endpoint, &client, &fields).await
    }

    fn client(&self, auth: ClientAuth, secret: Option<Secret>) -> Client {
        Client {
            id: self.id.clone(),
            secret,
            auth,
            registered: false,
            redirect_uri: None,
            secret_expires_at: 0,
            scopes: None,
        }
    }
}

/// Whether the authorization server takes what this key signs, as far as it says.
fn check(metadata: &Metadata, key: &SigningKey) -> Result<(), LoginError> {
    let refused =
        |what: &str| LoginError::Unsupported(format!("{} does not take {what}", metadata.shown_issuer()));
    if metadata.token_endpoint_auth_methods_supported.is_some() && !metadata.takes("private_key_jwt") {
        return Err(refused("clients that sign (private_key_jwt)"));
    }
    let algorithms = &metadata.token_endpoint_auth_signing_alg_values_supported;
    if algorithms.as_ref().is_some_and(|taken| !taken.iter().any(|taken| taken == key.algorithm())) {
        return Err(refused(&format!("the key's algorithm, {}", key.algorithm())));
    }
    Ok(())
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("id", &self.id)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
