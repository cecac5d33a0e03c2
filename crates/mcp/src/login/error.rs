use super::store::StoreError;
use afield_exchange::{Blame, Error};
use std::time::Duration;

/// Why a login, a refresh or a logout failed. Names what was asked and what to do; never a token, a code or a secret.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The server's URL is none that MCP can be spoken at.
    #[error("{0}")]
    Server(String),
    /// A request that the login needs failed on its way.
    #[error("{what} could not be asked at {url}: {error}")]
    Exchange {
        /// What was asked for.
        what: &'static str,
        /// Where, without its query.
        url: String,
        /// What happened.
        #[source]
        error: Error,
    },
    /// A request was answered with a status that helps nobody.
    #[error("{what} at {url} was answered with HTTP {status}")]
    Status {
        /// What was asked for.
        what: &'static str,
        /// Where, without its query.
        url: String,
        /// The status.
        status: u16,
    },
    /// An answer is not what the standards say it is.
    #[error("{what} at {url} cannot be used: {why}")]
    Document {
        /// What was asked for.
        what: &'static str,
        /// Where, without its query.
        url: String,
        /// What is wrong with it.
        why: String,
        /// What can be done about it, if there is something.
        hint: String,
    },
    /// The authorization server said no, in OAuth's own words (RFC 6749, sections 4.1.2.1 and 5.2).
    #[error("{what} was refused: {code}{}", described(.description.as_deref()))]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The error code, such as `access_denied`.
        code: String,
        /// What the authorization server says of it.
        description: Option<String>,
    },
    /// The server names no authorization server, and is none.
    #[error(
        "{0} names no authorization server: it offers no OAuth login, or not where it is standard to look for it"
    )]
    NoAuthorizationServer(String),
    /// The authorization server cannot do what is needed.
    #[error("{0}")]
    Unsupported(String),
    /// The authorization server does not register clients by itself.
    #[error(
        "{issuer} does not register clients by itself: register one with it by hand, with the redirect URI \
         http://127.0.0.1:PORT/callback, and configure its client id (and secret, if it has one) and that port"
    )]
    NoRegistration {
        /// The authorization server.
        issuer: String,
    },
    /// The callback's listener could not be opened.
    #[error("cannot listen for the browser's return on {address}: {why}; choose another port")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        why: String,
    },
    /// Nobody came back from the browser.
    #[error("nobody signed in within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// What came back from the browser, or was pasted, is no answer to what was asked.
    #[error("{0}")]
    Callback(String),
    /// The key that signs for the client cannot be used.
    #[error("the client's private key cannot be used: {0}")]
    Key(String),
    /// The token store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LoginError {
    /// The OAuth error code, if the authorization server gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// What can be done about it here, if something can: names what to configure.
    pub fn hint(&self) -> Option<String> {
        let section = "in the server's section `oauth`";
        match self {
            Self::Document { hint, .. } if !hint.is_empty() => Some(hint.clone()),
            Self::Document { what, .. } | Self::Status { what, .. } if what.contains("metadata") => {
                Some(format!(
                    "its operator has to mend it; where you know better, say {section}: `issuer = \"URL\"`"
                ))
            }
            Self::NoAuthorizationServer(_) => {
                Some(format!("where you know which it is, say {section}: `issuer = \"URL\"`"))
            }
            Self::Refused { code, description, .. } => {
                let about = |word: &str| description.as_deref().is_some_and(|text| text.contains(word));
                match code.as_str() {
                    "invalid_target" => Some(refuses_resource(section)),
                    "invalid_request" if about("resource") => Some(refuses_resource(section)),
                    "invalid_client" | "unauthorized_client" => Some(format!(
                        "{section}: see whether `client_id` and its secret (`client_secret_file`, `client_secret_env`) are \
                         right, and name the way it was registered for: \
                         `token_endpoint_auth_method = \"client_secret_post\"`, `\"client_secret_basic\"` or `\"none\"`"
                    )),
                    "invalid_scope" => Some(format!("ask for others: `scopes` {section}, or --scopes")),
                    _ => None,
                }
            }
            Self::NoRegistration { .. } => Some(format!(
                "{section}: `client_id`, `redirect_port`, and `client_secret_file` or `client_secret_env`"
            )),
            _ => None,
        }
    }

    /// Who has to act.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Exchange { error, .. } => error.blame(),
            Self::Status { .. } | Self::Document { .. } => Blame::Origin,
            Self::Refused { code, .. }
                if matches!(code.as_str(), "server_error" | "temporarily_unavailable") =>
            {
                Blame::Origin
            }
            _ => Blame::Caller,
        }
    }

    pub(crate) fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Document { hint, .. } = &mut self {
            *hint = text.into();
        }
        self
    }

    /// Whether asking again later may help: the network, an overloaded server, a store that is locked.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Exchange { .. } | Self::TimedOut(_) | Self::Store(_) => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            Self::Refused { code, .. } => {
                matches!(code.as_str(), "temporarily_unavailable" | "server_error" | "slow_down")
            }
            _ => false,
        }
    }
}

fn refuses_resource(section: &str) -> String {
    format!(
        "where the authorization server does not want to be told what tokens are for, say {section}: `resource = false`"
    )
}

fn described(description: Option<&str>) -> String {
    description.map(|text| format!(" ({text})")).unwrap_or_default()
}
