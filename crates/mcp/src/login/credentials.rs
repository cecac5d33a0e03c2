use super::{LoginError, Secret, Server, client::Client, token::Tokens};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};
use url::Url;

/// What a login leaves behind for one server: all that a refresh needs, and nothing it would have to ask for again.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) server: String,
    pub(crate) placement: String,
    pub(crate) issuer: String,
    pub(crate) token_endpoint: String,
    pub(crate) revocation_endpoint: Option<String>,
    #[serde(default)]
    pub(crate) resource: Option<String>,
    pub(crate) client: Client,
    pub(crate) scopes: Vec<String>,
    pub(crate) access_token: Secret,
    /// Seconds since 1970, from before it was asked for: it may have been on its way for a while.
    pub(crate) received_at: u64,
    pub(crate) expires_in: Option<u64>,
    pub(crate) refresh_token: Option<Secret>,
    /// Why the refresh token serves no more, if so.
    #[serde(default)]
    pub(crate) login_needed: Option<String>,
    /// The scopes that the server missed, if it did; none, if it did not say which.
    #[serde(default)]
    pub(crate) lacking: Option<Vec<String>>,
    /// Counts the tokens of this server: of two records, the higher is the later.
    #[serde(default)]
    pub(crate) generation: u64,
}

impl Credentials {
    /// Takes in what a refresh gave. An answer without a refresh token or scopes keeps those there are
    /// (RFC 6749, section 6).
    pub(crate) fn renewed(&self, tokens: Tokens, asked_at: u64) -> Self {
        Self {
            access_token: tokens.access_token,
            received_at: asked_at,
            expires_in: tokens.expires_in,
            refresh_token: tokens.refresh_token.or_else(|| self.refresh_token.clone()),
            scopes: tokens.scopes.unwrap_or_else(|| self.scopes.clone()),
            login_needed: None,
            generation: self.generation + 1,
            ..self.clone()
        }
    }

    /// Whether this is about that server.
    pub(crate) fn is_of(&self, server: &Server) -> bool {
        self.server == server.url().as_str() && self.placement == server.placement()
    }

    pub(crate) fn token_endpoint(&self) -> Result<Url, LoginError> {
        let unusable = || LoginError::Unsupported("the stored token endpoint is no URL: log in again".into());
        Url::parse(&self.token_endpoint).map_err(|_| unusable())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// Seconds since 1970, by the wall clock.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
