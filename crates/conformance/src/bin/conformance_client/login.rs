//! Logging in: discovery from the challenge, registration, the user's consent, tokens.

use crate::{Failure, handler::Handler, route::Route, wanted::Wanted};
use rmcp::{
    ClientServiceExt,
    transport::{
        AuthorizationManager, StreamableHttpClientTransport,
        auth::{AuthClient, AuthorizationRequest},
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};

/// Where the suite's metadata document of a client is said to be; nobody fetches it.
pub const CLIENT_METADATA: &str = "https://conformance-test.local/client-metadata.json";
/// Where the user is sent back to; nobody listens there, as the browser stops before.
pub const REDIRECT: &str = "http://localhost:3000/callback";

pub fn request() -> AuthorizationRequest {
    AuthorizationRequest::new(REDIRECT)
        .with_client_name("afield-conformance-client")
        .with_client_metadata_url(CLIENT_METADATA)
}

/// The challenge of a server that refuses a connection without a token; none if it takes it.
pub async fn challenge<R: Route>(route: &R, wanted: &Wanted) -> Result<Option<String>, Failure> {
    let config = StreamableHttpClientTransportConfig::with_uri(wanted.url.as_str());
    let transport = StreamableHttpClientTransport::with_client(route.client(), config);
    match Handler.serve_with_lifecycle(transport, wanted.lifecycle()).await {
        Ok(running) => {
            running.cancel().await?;
            Ok(None)
        }
        Err(error) => match error.auth_challenge() {
            Some(challenge) => Ok(Some(challenge.to_owned())),
            None => Err(error.into()),
        },
    }
}

/// Logs in as this request says.
pub async fn login<R: Route>(
    route: &R,
    wanted: &Wanted,
    mut request: AuthorizationRequest,
    challenge: Option<String>,
) -> Result<AuthClient<R::Client>, Failure> {
    if let Some(challenge) = challenge {
        request = request.with_challenge(challenge);
    }
    let mut state = route.login(&wanted.url).await?;
    state.start_authorization(request).await?;
    let back = route.browse(&state.get_authorization_url().await?).await?;
    state.handle_callback_url(&back).await?;
    let manager = state.into_authorization_manager().ok_or("the login is not complete")?;
    Ok(AuthClient::new(route.client(), manager))
}

/// Logs in step by step, with a manager whose stores are its caller's, and says the token.
pub async fn token<R: Route>(
    route: &R,
    wanted: &Wanted,
    mut manager: AuthorizationManager,
) -> Result<String, Failure> {
    if manager.initialize_from_store().await? {
        return Ok(manager.get_access_token().await?);
    }
    let challenge = challenge(route, wanted).await?;
    let resolution = manager.resolve_metadata_from_challenge(challenge.as_deref()).await?;
    manager.set_metadata(resolution.metadata);
    manager.register_client("afield-conformance-client", REDIRECT, &[]).await?;
    let scopes = manager.select_scopes(None, &[]);
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let back = route.browse(&manager.get_authorization_url(&scopes).await?).await?;
    let back = rmcp::transport::auth::AuthorizationCallback::from_redirect_url(&back)?;
    manager.exchange_code_for_token_with_issuer(&back.code, &back.csrf_token, back.issuer.as_deref()).await?;
    Ok(manager.get_access_token().await?)
}
