use super::{
    ClientSettings, LoginError, Secret, Server, TokenStore, credentials::Credentials, guard::Guarded, token,
    wire,
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

/// Forgets a login without telling anybody: for where its authorization server cannot be reached. Says whether there was one.
///
/// # Errors
///
/// The store cannot be used, and the tokens are still there.
pub async fn forget(server: &Server, store: &TokenStore) -> Result<bool, LoginError> {
    let _lock = store.lock(server).await?;
    Ok(store.remove(server).await?)
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
    let client = stored.client.as_configured(settings);
    let (token, hint) = match &stored.refresh_token {
        Some(token) => (token, "refresh_token"),
        None => (&stored.access_token, "access_token"),
    };
    let mut fields = vec![("token", token.expose()), ("token_type_hint", hint)];
    let authorization = token::authenticate(&client, &mut fields);
    let secrets = [token.expose(), client.secret.as_ref().map_or("", Secret::expose)];
    let mut reply = wire::form(http, WHAT, &endpoint, &fields, authorization.clone()).await?;
    if reply.head.status == 400 && !fields.iter().any(|(name, _)| *name == "client_secret") {
        // The Python SDK's wants the field of everybody, if there is nothing in it.
        fields.push(("client_secret", ""));
        let again = wire::form(http, WHAT, &endpoint, &fields, authorization).await?;
        reply = if again.is_success() { again } else { reply };
    }
    if reply.is_success() { Ok(true) } else { Err(token::refusal(WHAT, &endpoint, &reply, &secrets)) }
}
