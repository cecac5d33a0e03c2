use super::{Server, StoreError, TokenStore, credentials::now};
use std::time::Duration;

/// How things stand with a server's login, as far as is stored here. The server is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginState {
    /// Nobody logged in, or somebody logged out.
    None,
    /// There is a token, or what gets one.
    LoggedIn {
        /// The authorization server.
        issuer: String,
        /// The scopes, if known.
        scopes: Vec<String>,
        /// What is left of the token, if that is known; zero if it has ended.
        remaining: Option<Duration>,
        /// Whether it can be renewed without another login.
        renewable: bool,
    },
    /// A person has to log in again, for this reason.
    Needed(String),
}

impl TokenStore {
    /// How things stand with this server's login.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn state(&self, server: &Server) -> Result<LoginState, StoreError> {
        let Some(stored) = self.load(server).await? else { return Ok(LoginState::None) };
        let remaining = stored.expires_in.map(|seconds| {
            Duration::from_secs(seconds.saturating_sub(now().saturating_sub(stored.received_at)))
        });
        let renewable = stored.refresh_token.is_some();
        let over = remaining == Some(Duration::ZERO);
        Ok(match stored.login_needed {
            Some(reason) if over => LoginState::Needed(reason),
            _ if over && !renewable => {
                LoginState::Needed("the token has ended, and there is no refresh token".into())
            }
            _ => LoginState::LoggedIn { issuer: stored.issuer, scopes: stored.scopes, remaining, renewable },
        })
    }
}
