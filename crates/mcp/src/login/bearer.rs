use super::{LoginError, Secret, store::StoreError};
use afield_exchange::Header;
use std::fmt;

/// A token as it goes with a request to the server it is for, and to nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(Secret);

impl Bearer {
    pub(crate) fn new(token: Secret) -> Self {
        Self(token)
    }

    /// The token.
    pub fn token(&self) -> &Secret {
        &self.0
    }

    /// The header field that carries it (RFC 6750, section 2.1).
    pub fn header(&self) -> Header {
        Header::new("authorization", format!("Bearer {}", self.0.expose()))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(<secret>)")
    }
}

/// A person has to log in before the server can be used (again).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct LoginNeeded {
    /// The server's URL, without its query.
    pub server: String,
    /// Why.
    pub reason: String,
    /// The scopes that were missing, if that is the reason.
    pub scopes: Vec<String>,
    /// Whether there was a login that the authorization server does not renew any more.
    pub ended: bool,
}

impl LoginNeeded {
    fn text(&self) -> String {
        let Self { server, reason, .. } = self;
        match self.ended {
            true => format!("the login at {server} is over: {reason}"),
            false => format!("a login at {server} is needed: {reason}"),
        }
    }
}

/// Why there is no token to be had.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// Only a person can help.
    #[error(transparent)]
    LoginNeeded(#[from] LoginNeeded),
    /// The token could not be renewed this time. What is stored still serves.
    #[error("the token could not be renewed: {0}")]
    Failed(#[from] LoginError),
    /// The client's own credentials brought no token.
    #[error("no token for the client itself: {0}")]
    Client(LoginError),
    /// The tokens cannot be read or stored. No refresh token is spent as long as its successor could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to do about a refused request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Send it again, once, with this token: a request that was refused for its token was certainly not executed.
    Retry(Bearer),
    /// Hand the refusal on: no token that can be had without a person is any better.
    GiveUp(LoginNeeded),
}
