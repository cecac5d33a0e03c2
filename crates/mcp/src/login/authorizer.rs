use super::{
    AuthorizeError, Bearer, Challenge, ClientCredentials, ClientSettings, LoginNeeded, Secret, Server,
    TokenStore, Verdict,
    guard::Guarded,
    held::{Flight, Held},
    renew,
};
use afield_client::HttpClient;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What came of a renewal. No token and no error: nobody ever logged in.
pub(super) type Outcome = Result<Option<Bearer>, AuthorizeError>;

/// One server's token, renewed when it is time.
///
/// Cheap to clone; clones share what they know. All that is asked is asked through the server's own HTTP client, from
/// where requests to it leave. Needs a tokio runtime with time and I/O.
///
/// # How tokens are renewed
///
/// - **Once.** However many ask at a time, one renewal is under way, and all get what it brings. Other processes wait at a
///   lock, then find it in the store.
/// - **Ahead of time**: a minute before a token ends, or when a quarter of a short life is left, by the wall clock or the
///   monotonic clock, whichever says so first.
/// - **Without losing anything.** The lock is taken, the store read again, a file to write is made ready, and only then is
///   the refresh token spent. Its successor is on the disk before anybody uses what came with it. A renewal goes on when
///   those who wait for it are gone: [`settle`](Self::settle) waits for it before a program ends. If the disk fails in
///   between, the tokens stay in memory, others are kept from spending the old one, and storing is tried again.
/// - **Never over a refusal.** When the authorization server refuses the refresh token, that is noted beside it, nothing
///   is deleted, and nobody tries it again.
///
/// A login or logout in another process is noticed at the next renewal or refusal.
#[derive(Clone)]
pub struct Authorizer(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) server: Server,
    pub(super) store: TokenStore,
    pub(super) grant: Grant,
    held: Mutex<Held>,
    pub(super) tasks: TaskTracker,
    pub(super) ending: CancellationToken,
}

/// How new tokens are come by.
pub(super) enum Grant {
    /// A person logged in; as this client, if it is one registered by hand.
    Login(ClientSettings),
    ClientCredentials(ClientCredentials),
}

impl Inner {
    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn login_needed(&self, reason: impl Into<String>) -> LoginNeeded {
        LoginNeeded {
            server: self.server.to_string(),
            reason: reason.into(),
            scopes: Vec::new(),
            ended: false,
        }
    }

    pub(super) fn login_over(&self, reason: impl Into<String>) -> LoginNeeded {
        LoginNeeded { ended: true, ..self.login_needed(reason) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ending.cancel();
        if self.held().unsaved.is_some() {
            tracing::error!(server = %self.server, "RENEWED TOKENS ARE LOST: they could not be stored; log in again");
        }
    }
}

impl Authorizer {
    /// Gives out the tokens of a person's login, and renews them. `client` is what [`Login`](super::Login) was given: of
    /// a client registered by hand, the secret is not in the store.
    pub fn new(http: Arc<dyn HttpClient>, server: Server, store: TokenStore, client: ClientSettings) -> Self {
        Self::with(http, server, store, Grant::Login(client))
    }

    /// Gives out tokens that a program gets by itself.
    pub fn for_client(
        http: Arc<dyn HttpClient>,
        server: Server,
        store: TokenStore,
        client: ClientCredentials,
    ) -> Self {
        Self::with(http, server, store, Grant::ClientCredentials(client))
    }

    fn with(http: Arc<dyn HttpClient>, server: Server, store: TokenStore, grant: Grant) -> Self {
        let (tasks, ending) = (TaskTracker::new(), CancellationToken::new());
        let http = Arc::new(Guarded::new(http, server.url()));
        Self(Arc::new(Inner { http, server, store, grant, held: Mutex::default(), tasks, ending }))
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.0.server
    }

    /// A token for a request to the server; renewed first if it is time. `None` if nobody ever logged in: the request may
    /// go without, and the server says what it wants.
    ///
    /// Only for requests that [`Server::covers`]. Cancel safe: a renewal goes on without whoever waited for it.
    ///
    /// # Errors
    ///
    /// A login is needed; the renewal failed, and the token has ended; the store cannot be used.
    pub async fn bearer(&self) -> Result<Option<Bearer>, AuthorizeError> {
        self.renewed(None).await
    }

    /// What to do after the server refused a request: `sent` is the token it had, `challenge` what the server said.
    ///
    /// After a 401 the token is renewed, at most once for each token refused. After a 403 for want of a scope only a token
    /// that somebody got in the meantime helps.
    ///
    /// Cancel safe like [`bearer`](Self::bearer).
    ///
    /// # Errors
    ///
    /// As [`bearer`](Self::bearer), but that a needed login is a verdict.
    pub async fn refused(
        &self,
        sent: Option<&Bearer>,
        challenge: Option<&Challenge>,
    ) -> Result<Verdict, AuthorizeError> {
        let Some(sent) = sent else {
            return match self.renewed(None).await {
                Ok(Some(bearer)) => Ok(Verdict::Retry(bearer)),
                Ok(None) => Ok(Verdict::GiveUp(self.0.login_needed("nobody has logged in there yet"))),
                Err(AuthorizeError::LoginNeeded(needed)) => Ok(Verdict::GiveUp(needed)),
                Err(error) => Err(error),
            };
        };
        if let Some(challenge) = challenge.filter(|challenge| challenge.is_insufficient_scope()) {
            return self.lacking(sent, challenge).await;
        }
        if self.0.held().is_fresh(sent.token()) {
            let reason = "the server refuses even a token that is fresh from its authorization server";
            return Ok(Verdict::GiveUp(self.0.login_needed(reason)));
        }
        match self.renewed(Some(sent.token())).await {
            Ok(Some(bearer)) => Ok(Verdict::Retry(bearer)),
            Ok(None) => Ok(Verdict::GiveUp(self.0.login_needed("somebody logged out"))),
            Err(AuthorizeError::LoginNeeded(needed)) => Ok(Verdict::GiveUp(needed)),
            Err(error) => Err(error),
        }
    }

    /// Why the login that there was serves no more, if that is known.
    pub(crate) async fn over(&self) -> Option<LoginNeeded> {
        let stored = self.0.store.load(&self.0.server).await.ok()??;
        stored.login_needed.map(|reason| self.0.login_over(reason))
    }

    /// Waits for renewals under way to be stored. To be called before the program ends.
    ///
    /// Where the disk does not take the tokens, this tries once more and gives up.
    pub async fn settle(&self) {
        self.0.ending.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.tasks.reopen();
    }

    /// Another token may have been got with the scope that was lacking.
    async fn lacking(&self, sent: &Bearer, challenge: &Challenge) -> Result<Verdict, AuthorizeError> {
        let stored = self.0.store.load(&self.0.server).await?;
        if let Some(stored) = stored.filter(|stored| &stored.access_token != sent.token()) {
            let (bearer, _) = self.0.held().adopt(&stored);
            return Ok(Verdict::Retry(bearer));
        }
        let scopes = challenge.scopes();
        let reason = match scopes.is_empty() {
            true => "the token lacks a scope, and the server does not say which".to_owned(),
            false => format!("the token lacks a scope ({})", super::wire::shown(&scopes.join(" "), &[])),
        };
        self.note(sent, &scopes).await;
        Ok(Verdict::GiveUp(LoginNeeded { scopes, ..self.0.login_needed(reason) }))
    }

    /// Has the next login ask for what was missing.
    async fn note(&self, sent: &Bearer, missing: &[String]) {
        let Inner { store, server, .. } = &*self.0;
        let noted = async {
            let _lock = store.lock(server).await?;
            let Some(mut stored) = store.load(server).await? else { return Ok(()) };
            let before = stored.lacking.clone();
            let lacking = stored.lacking.get_or_insert_default();
            lacking.extend(
                missing.iter().filter(|scope| !before.iter().flatten().any(|known| known == *scope)).cloned(),
            );
            if &stored.access_token != sent.token() || stored.lacking == before {
                return Ok(());
            }
            stored.generation += 1;
            store.save(server, &stored).await
        };
        let noted: Result<(), super::StoreError> = noted.await;
        if let Err(error) = noted {
            tracing::debug!(%server, %error, "that a scope is missing could not be noted");
        }
    }

    /// A good token that is not the one that was refused, from the one renewal that is under way.
    async fn renewed(&self, refused: Option<&Secret>) -> Outcome {
        loop {
            let (mut flight, same) = {
                let mut held = self.0.held();
                if let Some(bearer) = held.good(refused) {
                    return Ok(Some(bearer));
                }
                match &held.flight {
                    Some(flight) => (flight.clone(), flight.refused.as_ref() == refused),
                    None => {
                        if let Some(outcome) = held.recent_failure() {
                            return outcome;
                        }
                        let flight = self.begin(refused);
                        held.flight = Some(flight.clone());
                        (flight, true)
                    }
                }
            };
            let outcome = match flight.outcome.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone().expect("it was waited for"),
                // The runtime is ending, and the renewal with it.
                Err(_) => return Err(super::StoreError::Ending.into()),
            };
            if same {
                return outcome;
            }
        }
    }

    /// Starts a renewal, which nobody's leaving ends.
    fn begin(&self, refused: Option<&Secret>) -> Flight {
        let (tell, outcome) = watch::channel(None);
        let flight = Flight { refused: refused.cloned(), outcome };
        let (inner, refused) = (self.0.clone(), refused.cloned());
        self.0.tasks.spawn(async move {
            let landing = Landing(&inner);
            let outcome = renew::renew(&inner, refused.as_ref()).await;
            drop(landing);
            let mut held = inner.held();
            if matches!(
                &outcome,
                Err(AuthorizeError::Failed(_) | AuthorizeError::Client(_) | AuthorizeError::Store(_))
            ) {
                held.failed(&outcome);
            }
            drop(held);
            tell.send_replace(Some(outcome));
        });
        flight
    }
}

/// Makes room for the next renewal, however this one ends.
struct Landing<'a>(&'a Inner);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.0.held().flight = None;
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").field("server", &self.0.server).finish_non_exhaustive()
    }
}
