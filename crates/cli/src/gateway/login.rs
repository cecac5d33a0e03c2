use super::plan::{At, Wanted};
use crate::mcp::login::settings;
use afield_client::HttpClient;
use afield_config::OAuth;
use afield_exchange::{Blame, Error, Head, Kind, Retry};
use afield_gateway::{Authorize, Authorizing, Secret};
use afield_mcp::login::{AuthorizeError, Authorizer, Bearer, Challenge, Server, TokenStore, Verdict};
use afield_placement::client_credentials;
use std::sync::{Arc, Mutex, PoisonError};

/// The logins of the routes.
#[derive(Default)]
pub(super) struct Logins {
    store: Option<TokenStore>,
    authorizers: Vec<Authorizer>,
}

impl Logins {
    /// What gives this route the token that `afield mcp login` got for it. The error says why its server cannot be used.
    pub fn authorizer(
        &mut self,
        wanted: &Wanted,
        oauth: &OAuth,
        client: Arc<dyn HttpClient>,
    ) -> Result<Arc<dyn Authorize>, String> {
        let placement = match &wanted.place {
            At::Named(executor) => &executor.name,
            _ => afield_config::LOCAL,
        };
        let server = Server::new(&wanted.url, placement).map_err(|error| error.to_string())?;
        let authorizer = authorizer(server, self.store()?, oauth, client)?;
        self.authorizers.push(authorizer.clone());
        Ok(Arc::new(Login { name: wanted.name.clone(), authorizer, sent: Mutex::default() }))
    }

    fn store(&mut self) -> Result<TokenStore, String> {
        if let Some(store) = &self.store {
            return Ok(store.clone());
        }
        let store = TokenStore::of_the_user().map_err(|error| error.to_string())?;
        Ok(self.store.insert(store).clone())
    }

    /// Waits until tokens that were renewed are stored.
    pub async fn settle(self) {
        for authorizer in self.authorizers {
            authorizer.settle().await;
        }
    }
}

fn authorizer(
    server: Server,
    store: TokenStore,
    oauth: &OAuth,
    client: Arc<dyn HttpClient>,
) -> Result<Authorizer, String> {
    let settings = settings(oauth)?;
    let credentials = client_credentials(oauth, &settings).map_err(|error| error.to_string())?;
    Ok(match credentials {
        Some(credentials) => Authorizer::for_client(client, server, store, credentials),
        None => Authorizer::new(client, server, store, settings),
    })
}

/// The login of one route.
struct Login {
    name: String,
    authorizer: Authorizer,
    /// The token that was last given out.
    sent: Mutex<Option<Bearer>>,
}

impl Login {
    fn give_out(&self, bearer: Option<Bearer>) -> Option<Secret> {
        let secret = bearer.as_ref().map(|bearer| Secret::new(bearer.token().expose()));
        *self.last() = bearer;
        secret
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Bearer>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &AuthorizeError) -> Error {
        let message = format!("no token for the server {:?}: {error}", self.name);
        let blame = match error {
            AuthorizeError::Failed(error) | AuthorizeError::Client(error) => error.blame(),
            _ => Blame::Operator,
        };
        Error::new(Kind::Unauthorized, blame, Retry::Safe, message)
    }
}

impl Authorize for Login {
    fn bearer<'a>(&'a self, url: &'a str) -> Authorizing<'a, Result<Option<Secret>, Error>> {
        Box::pin(async move {
            if !self.authorizer.server().covers(url) {
                return Ok(None);
            }
            match self.authorizer.bearer().await {
                Ok(bearer) => Ok(self.give_out(bearer)),
                // The server says itself what it wants, in its challenge.
                Err(AuthorizeError::LoginNeeded(needed)) => {
                    tracing::warn!(server = self.name, %needed, "run `afield mcp login`");
                    Ok(None)
                }
                Err(error) => Err(self.failed(&error)),
            }
        })
    }

    fn refused<'a>(
        &'a self,
        url: &'a str,
        sent: Option<&'a Secret>,
        answer: &'a Head,
    ) -> Authorizing<'a, Result<Option<Secret>, Error>> {
        Box::pin(async move {
            let challenge = Challenge::of(answer);
            let is_about_a_scope = challenge.as_ref().is_some_and(Challenge::is_insufficient_scope);
            if !self.authorizer.server().covers(url) || (answer.status == 403 && !is_about_a_scope) {
                return Ok(None);
            }
            let last = self.last().clone();
            let newer =
                last.as_ref().filter(|last| sent.is_some_and(|sent| sent.expose() != last.token().expose()));
            if let Some(newer) = newer {
                // Another request has got it meanwhile.
                return Ok(Some(Secret::new(newer.token().expose())));
            }
            let sent = last.filter(|_| sent.is_some());
            match self.authorizer.refused(sent.as_ref(), challenge.as_ref()).await {
                Ok(Verdict::Retry(bearer)) => Ok(self.give_out(Some(bearer))),
                Ok(Verdict::GiveUp(needed)) => {
                    tracing::warn!(server = self.name, %needed, "run `afield mcp login`");
                    Ok(None)
                }
                Err(error) => Err(self.failed(&error)),
            }
        })
    }
}
