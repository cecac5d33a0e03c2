//! One renewal, from the lock to the disk.

use super::{
    AuthorizeError, Bearer, LoginError, Secret,
    authorizer::{Grant, Inner, Outcome},
    client::Client,
    credentials::{Credentials, now},
    lifetime::Vigour,
    store::Lock,
    token,
};
use std::{sync::Arc, time::Duration};

/// How long between two tries to store what could not be stored.
const AGAIN: Duration = Duration::from_secs(5);

/// Brings a token that is good, and not the one that was refused: from the store, if somebody else has renewed it, else
/// from the authorization server.
pub(super) async fn renew(inner: &Arc<Inner>, refused: Option<&Secret>) -> Outcome {
    // Nobody waits at the lock for what can be read without it.
    let unsaved = inner.held().unsaved.is_some();
    if !unsaved {
        let stored = relevant(inner, inner.store.load(&inner.server).await?)?;
        match &stored {
            Some(stored) => {
                if let Some(bearer) = usable(inner, stored, refused) {
                    return Ok(Some(bearer));
                }
                if hopeless(inner, stored, refused)? {
                    return Ok(Some(inner.held().adopt(stored).0));
                }
            }
            None if matches!(inner.grant, Grant::Login(_)) => {
                inner.held().forget();
                return Ok(None);
            }
            None => {}
        }
    }
    let unsaved = inner.held().unsaved.take();
    let (stored, lock) = match unsaved {
        Some((credentials, lock)) => (Some(credentials), lock),
        None => {
            let lock = inner.store.lock(&inner.server).await?;
            (relevant(inner, inner.store.load(&inner.server).await?)?, lock)
        }
    };
    if let Some(bearer) = stored.as_ref().and_then(|stored| usable(inner, stored, refused)) {
        return Ok(Some(bearer));
    }
    let outcome = match (&inner.grant, stored) {
        (Grant::ClientCredentials(client), stored) => {
            let generation = stored.map_or(0, |stored| stored.generation) + 1;
            let obtained = client.obtain(&*inner.http, &inner.server, generation).await;
            let credentials = obtained.map_err(AuthorizeError::Client)?;
            if let Err(error) = inner.store.save(&inner.server, &credentials).await {
                // Nothing is lost by it: the next process gets one of its own.
                tracing::warn!(server = %inner.server, %error, "a token could not be stored");
            }
            Ok(Some(inner.held().adopt(&credentials).0))
        }
        (Grant::Login(_), None) => {
            inner.held().forget();
            Ok(None)
        }
        (Grant::Login(_), Some(stored)) => {
            if hopeless(inner, &stored, refused)? {
                return Ok(Some(inner.held().adopt(&stored).0));
            }
            refresh(inner, stored, lock, refused).await
        }
    };
    if let (Some(_), Ok(Some(bearer))) = (refused, &outcome) {
        inner.held().forced(bearer);
    }
    outcome
}

/// What is stored, if it is the configured client's.
fn relevant(inner: &Inner, stored: Option<Credentials>) -> Result<Option<Credentials>, AuthorizeError> {
    let Some(stored) = stored else { return Ok(None) };
    match &inner.grant {
        Grant::ClientCredentials(client) => Ok(Some(stored).filter(|stored| stored.client.id == client.id)),
        Grant::Login(client) if client.id.as_ref().is_some_and(|id| *id != stored.client.id) => {
            Err(inner.login_needed("the last login was as another client than the configured one").into())
        }
        Grant::Login(_) => Ok(Some(stored)),
    }
}

/// The stored token, if it is good and not the one that was refused.
fn usable(inner: &Inner, stored: &Credentials, refused: Option<&Secret>) -> Option<Bearer> {
    if Some(&stored.access_token) == refused {
        return None;
    }
    let (bearer, vigour) = inner.held().adopt(stored);
    (vigour == Vigour::Good).then_some(bearer)
}

/// Whether it is known that the refresh token was refused; the token that there is serves to its end. Fails where it has
/// ended, or was refused itself.
fn hopeless(inner: &Inner, stored: &Credentials, refused: Option<&Secret>) -> Result<bool, AuthorizeError> {
    let Some(reason) = &stored.login_needed else { return Ok(false) };
    let lives = refused.is_none() && inner.held().adopt(stored).1 != Vigour::Ended;
    match lives {
        true => Ok(true),
        false => Err(inner.login_over(reason.as_str()).into()),
    }
}

/// Spends the refresh token, and stores what comes of it before anybody has it.
async fn refresh(inner: &Arc<Inner>, stored: Credentials, lock: Lock, refused: Option<&Secret>) -> Outcome {
    let still_good = || {
        let (bearer, vigour) = inner.held().adopt(&stored);
        (vigour != Vigour::Ended && refused.is_none()).then_some(bearer)
    };
    let Some(refresh_token) = &stored.refresh_token else {
        let reason = match refused {
            Some(_) => "the server refuses the token, and there is no refresh token",
            None => "the token has ended, and there is no refresh token",
        };
        return still_good().map(Some).ok_or_else(|| inner.login_needed(reason).into());
    };
    let ready = match inner.store.prepare(&inner.server).await {
        Ok(ready) => ready,
        Err(error) => {
            tracing::error!(server = %inner.server, %error, "the token is not renewed: what comes could not be stored");
            return still_good().map(Some).ok_or_else(|| error.into());
        }
    };
    let endpoint = stored.token_endpoint()?;
    let client = client(inner, &stored.client);
    let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())];
    fields.extend(stored.resource.as_deref().map(|resource| ("resource", resource)));
    let asked_at = now();
    match token::ask(&*inner.http, "a renewed token", &endpoint, &client, &fields).await {
        Ok(tokens) => {
            let renewed = stored.renewed(tokens, asked_at);
            if let Err(error) = ready.save(&renewed).await {
                tracing::error!(
                    server = %inner.server, %error,
                    "RENEWED TOKENS COULD NOT BE STORED: they are kept in memory, and storing them is tried again; \
                     if this program ends before, a new login is needed"
                );
                inner.held().unsaved = Some((renewed.clone(), lock));
                keep_trying(inner);
            }
            tracing::debug!(server = %inner.server, "token renewed");
            Ok(Some(inner.held().adopt(&renewed).0))
        }
        Err(error) if is_final(&error, &client) => {
            let reason = over(&error);
            let marked = Credentials {
                login_needed: Some(reason.clone()),
                generation: stored.generation + 1,
                ..stored.clone()
            };
            if let Err(error) = ready.save(&marked).await {
                tracing::warn!(server = %inner.server, %error, "that a login is needed could not be noted");
            }
            still_good().map(Some).ok_or_else(|| inner.login_over(reason).into())
        }
        // Who gets the error says it.
        Err(error) => still_good().map(Some).ok_or_else(|| error.into()).inspect(|_| {
            inner.held().rest();
            tracing::warn!(server = %inner.server, "a token could not be renewed ahead of its end");
        }),
    }
}

/// Why there will be no other token without another login.
fn over(error: &LoginError) -> String {
    let LoginError::Refused { code, description, .. } = error else { return error.to_string() };
    let said = description.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    let why = match code.as_str() {
        "invalid_grant" => "the authorization server took it back, or its time is up",
        "invalid_client" | "unauthorized_client" => {
            "the authorization server does not know the client any more"
        }
        _ => "the authorization server gives no more tokens for it",
    };
    format!("{why} ({code}{said})")
}

/// The client of the login.
fn client(inner: &Inner, stored: &Client) -> Client {
    match &inner.grant {
        Grant::Login(settings) => stored.as_configured(settings),
        Grant::ClientCredentials(_) => stored.clone(),
    }
}

/// Whether the authorization server will never take this refresh token again (RFC 6749, section 5.2).
fn is_final(error: &LoginError, client: &Client) -> bool {
    match error.code() {
        Some("invalid_grant" | "unsupported_grant_type" | "invalid_scope") => true,
        // The client afield registered is gone. One registered by hand may have a wrong secret here, which can be mended.
        Some("invalid_client" | "unauthorized_client") => client.registered,
        _ => false,
    }
}

/// Stores what could not be stored, as soon as it can be.
fn keep_trying(inner: &Arc<Inner>) {
    let (weak, ending) = (Arc::downgrade(inner), inner.ending.child_token());
    inner.tasks.spawn(async move {
        loop {
            let last = tokio::select! {
                () = ending.cancelled() => true,
                () = tokio::time::sleep(AGAIN) => false,
            };
            let Some(inner) = weak.upgrade() else { return };
            let Some((credentials, lock)) = inner.held().unsaved.take() else { return };
            match inner.store.save(&inner.server, &credentials).await {
                Ok(()) => {
                    tracing::info!(server = %inner.server, "the renewed tokens are stored now");
                    return;
                }
                Err(error) if last => {
                    tracing::error!(server = %inner.server, %error, "RENEWED TOKENS ARE LOST: log in again");
                    return;
                }
                Err(_) => inner.held().unsaved = Some((credentials, lock)),
            }
        }
    });
}
