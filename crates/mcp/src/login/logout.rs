use super::{
    ClientSettings, LoginError, Secret, Server, TokenStore,
    client::{Client, ClientAuth},
    credentials::Credentials,
    guard::Guarded,
    token, wire,
};
use afield_client::HttpClient;
use url::Url;

const WHAT: &str = "revoking the token";

/// What a logout did.
#[derive(Clone, Debug)]
pub enum LoggedOut {
    /// Nothing was stored.
    NothingThere,
    /// The tokens are gone from here, and the authorization server took them back.
    Revoked,
    /// The tokens are gone from here. The authorization server has no way to take them back (RFC 7009): they are good
    /// until they end.
    RemovedHere,
    /// The tokens are gone from here. The authorization server could not be told, for this reason.
    NotRevoked(LoginError),
}

/// Ends a login: has the authorization server take the tokens back, and forgets them in any case.
///
/// `client` is what the login was given. Cancel safe: what was not done yet is not done.
///
/// # Errors
///
/// The store cannot be used, and the tokens are still there.
pub async fn logout(
    http: &dyn HttpClient,
    server: &Server,
    store: &TokenStore,
    client: &ClientSettings,
) -> Result<LoggedOut, LoginError> {
    let _lock = store.lock(server).await?;
    let stored = match store.load(server).await {
        Ok(stored) => stored,
        Err(error) => {
            store.remove(server).await?;
            return Ok(LoggedOut::NotRevoked(error.into()));
        }
    };
    let Some(stored) = stored else { return Ok(LoggedOut::NothingThere) };
    let revoked = revoke(&Guarded::new(http, server.url()), &stored, client).await;
    store.remove(server).await?;
    Ok(match revoked {
        Ok(true) => LoggedOut::Revoked,
        Ok(false) => LoggedOut::RemovedHere,
        Err(error) => LoggedOut::NotRevoked(error),
    })
}

/// Has the refresh token taken back, and with it what came of it (RFC 7009, section 2.1); without one, the access token.
async fn revoke(
    http: &dyn HttpClient,
    stored: &Credentials,
    settings: &ClientSettings,
) -> Result<bool, LoginError> {
    let Some(endpoint) = stored.revocation_endpoint.as_deref().and_then(|url| Url::parse(url).ok()) else {
        return Ok(false);
    };
    let configured = settings.secret.clone().filter(|_| settings.id.as_ref() == Some(&stored.client.id));
    let secret = stored.client.secret.clone().or(configured);
    let auth = match stored.client.auth {
        ClientAuth::None if secret.is_some() => ClientAuth::ClientSecretBasic,
        auth => auth,
    };
    let client = Client { secret, auth, ..stored.client.clone() };
    let (token, hint) = match &stored.refresh_token {
        Some(token) => (token, "refresh_token"),
        None => (&stored.access_token, "access_token"),
    };
    let mut fields = vec![("token", token.expose()), ("token_type_hint", hint)];
    let authorization = token::authenticate(&client, &mut fields);
    let secrets = [token.expose(), client.secret.as_ref().map_or("", Secret::expose)];
    let reply = wire::form(http, WHAT, &endpoint, &fields, authorization).await?;
    if reply.is_success() { Ok(true) } else { Err(token::refusal(WHAT, &endpoint, &reply, &secrets)) }
}
