use super::{
    Beforehand, Browser, Challenge, ClientSettings, LoginError, Secret, Server, TokenStore,
    callback::{self, Callback},
    client::{self, Client},
    credentials::{Credentials, now},
    discovery::{Discovered, discover},
    guard::Guarded,
    random,
    redirect::Expected,
    token,
};
use afield_client::HttpClient;
use std::{fmt, sync::Arc, time::Duration};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use url::Url;

/// The longest line that is read as a pasted address.
const MAX_PASTED: u64 = 64 * 1024;

/// A person's login at an MCP server (the authorization code grant with PKCE; MCP specification, *Authorization*).
///
/// All that is asked, of the server and of its authorization server, is asked through the server's own HTTP client, so
/// from where requests to it leave. Only two things happen here: the browser, and the listener that it comes back to.
///
/// What comes of it is in the [`TokenStore`], for every [`Authorizer`](super::Authorizer) of that server.
pub struct Login {
    http: Arc<dyn HttpClient>,
    server: Server,
    store: TokenStore,
    client: ClientSettings,
    scopes: Vec<String>,
    beforehand: Beforehand,
    challenge: Option<Challenge>,
    port: Option<u16>,
    patience: Duration,
}

/// What a login brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// The authorization server.
    pub issuer: String,
    /// The client that afield is to it.
    pub client_id: String,
    /// The scopes that were granted; none if the authorization server does not say.
    pub scopes: Vec<String>,
    /// How long the first token lasts, if that is known.
    pub expires_in: Option<Duration>,
    /// Whether it can be renewed without another login.
    pub renewable: bool,
}

/// A login that waits for its answer.
struct Asked {
    discovered: Discovered,
    client: Client,
    scopes: Vec<String>,
    redirect_uri: String,
    verifier: Secret,
    expected: Expected,
    url: Url,
}

impl Login {
    /// A login at this server through this client. Nothing is asked yet.
    pub fn new(http: Arc<dyn HttpClient>, server: Server, store: TokenStore) -> Self {
        Self {
            http: Arc::new(Guarded::new(http, server.url())),
            server,
            store,
            client: ClientSettings::default(),
            scopes: Vec::new(),
            beforehand: Beforehand::default(),
            challenge: None,
            port: None,
            patience: Duration::from_secs(300),
        }
    }

    /// Logs in as this client. Default: whatever the authorization server makes possible.
    #[must_use]
    pub fn with_client(mut self, client: ClientSettings) -> Self {
        self.client = client;
        self
    }

    /// Asks for these scopes. Default: those of the server's challenge, else all that the server knows.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Vec<String>) -> Self {
        self.scopes = scopes;
        self
    }

    /// Goes by this where the server publishes something else, or nothing. Default: what the server publishes.
    #[must_use]
    pub fn with_beforehand(mut self, beforehand: Beforehand) -> Self {
        self.beforehand = beforehand;
        self
    }

    /// Begins from what the server said when it refused a request. After a 403 for want of a scope, what was granted
    /// before is asked for again, and what is missing beside it.
    #[must_use]
    pub fn with_challenge(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Has the browser come back to this port. Default: one that is free. Clients registered by hand need a fixed one
    /// where their authorization server compares ports.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Waits this long for the person. Default: 5 minutes.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Shows the page in a browser and waits until it comes back, on `http://127.0.0.1:PORT/callback`.
    ///
    /// `tell` is given what the person should read, a line at a time: the URL, and that the browser did not open.
    ///
    /// Cancel safe until the person has signed in. Dropped between that and its end, the login has to be begun again.
    ///
    /// # Errors
    ///
    /// Everything of [`LoginError`]. Nothing is stored then, and what was stored before stays.
    pub async fn in_browser(
        &self,
        browser: &dyn Browser,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<LoggedIn, LoginError> {
        let callback = Callback::bind(self.port).await?;
        let asked = self.ask(callback.port()).await?;
        tell("Sign in at this address:");
        tell(asked.url.as_str());
        if let Err(error) = browser.open(&asked.url) {
            tell(&format!(
                "(No browser could be opened: {error}. Open the address yourself, on this machine.)"
            ));
        }
        let answer = tokio::time::timeout(self.patience, callback.answer(&asked.expected));
        let code = answer.await.map_err(|_| LoginError::TimedOut(self.patience))??;
        self.finish(asked, code).await
    }

    /// Tells the URL and takes the address that the browser ended at, on whatever machine it ran.
    ///
    /// A line that is no such address is refused through `tell`, and the next one read. Cancelled like
    /// [`in_browser`](Self::in_browser).
    ///
    /// # Errors
    ///
    /// As [`in_browser`](Self::in_browser), and an input that ends.
    pub async fn headless(
        &self,
        input: &mut (dyn AsyncBufRead + Unpin + Send),
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<LoggedIn, LoginError> {
        // Bound to have a port that is this login's; nobody comes back to it.
        let port = match self.port {
            Some(port) => port,
            None => Callback::bind(None).await?.port(),
        };
        let asked = self.ask(port).await?;
        tell("Sign in at this address, in a browser on any machine:");
        tell(asked.url.as_str());
        tell(
            "It ends at a page that cannot be shown, at http://127.0.0.1. Paste that page's whole address here:",
        );
        let paste = async {
            loop {
                let mut line = String::new();
                let read = (&mut *input).take(MAX_PASTED).read_line(&mut line).await;
                match read {
                    Ok(0) => {
                        return Err(LoginError::Callback("the input ended before the address came".into()));
                    }
                    Err(error) => {
                        return Err(LoginError::Callback(format!("the input cannot be read: {error}")));
                    }
                    Ok(_) if line.trim().is_empty() => {}
                    Ok(_) => match asked.expected.pasted(&line) {
                        Err(error @ LoginError::Callback(_)) => tell(&error.to_string()),
                        other => return other,
                    },
                }
            }
        };
        let code = tokio::time::timeout(self.patience, paste);
        let code = code.await.map_err(|_| LoginError::TimedOut(self.patience))??;
        self.finish(asked, code).await
    }

    /// Everything up to the page.
    async fn ask(&self, port: u16) -> Result<Asked, LoginError> {
        let http = &*self.http;
        // A store that cannot be used is told before the person is asked for anything.
        drop(self.store.prepare(&self.server).await?);
        let stored = match self.store.load(&self.server).await {
            Ok(stored) => stored,
            Err(error) => {
                tracing::warn!(%error, "what was stored for this server cannot be used, and is replaced");
                None
            }
        };
        let discovered = discover(http, &self.server, self.challenge.as_ref(), &self.beforehand).await?;
        let metadata = &discovered.metadata;
        metadata.check_code_grant()?;
        let page = metadata.authorization()?;
        let stored = stored.filter(|stored| stored.issuer == metadata.issuer);
        let scopes = self.scopes(&discovered, stored.as_ref());
        let redirect_uri = format!("http://127.0.0.1:{port}{}", callback::PATH);
        let known =
            stored.map(|stored| stored.client).filter(|client| client.serves(&redirect_uri, &scopes, now()));
        let client = client::obtain(http, &self.client, metadata, &redirect_uri, &scopes, known).await?;
        let (verifier, state) = (random::text(), random::text());
        let mut url = page;
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &client.id)
                .append_pair("redirect_uri", &redirect_uri)
                .append_pair("state", &state)
                .append_pair("code_challenge", &random::s256(&verifier))
                .append_pair("code_challenge_method", "S256");
            if let Some(resource) = &discovered.resource {
                query.append_pair("resource", resource);
            }
            if !scopes.is_empty() {
                query.append_pair("scope", &scopes.join(" "));
            }
            if scopes.iter().any(|scope| scope == "offline_access") {
                // OpenID Connect Core 1.0, section 11: else the scope may be ignored.
                query.append_pair("prompt", "consent");
            }
        }
        let expected = Expected {
            state: Secret::new(state),
            issuer: metadata.issuer.clone(),
            issuer_required: metadata.authorization_response_iss_parameter_supported,
        };
        Ok(Asked { discovered, client, scopes, redirect_uri, verifier: Secret::new(verifier), expected, url })
    }

    /// What to ask for: what was said to ask for, else what the server wants; after a refusal for want of a scope, what was
    /// missing and what there was beside it; and what makes a refresh token likely.
    fn scopes(&self, discovered: &Discovered, stored: Option<&Credentials>) -> Vec<String> {
        let mut scopes = if self.scopes.is_empty() { discovered.scopes.clone() } else { self.scopes.clone() };
        let lacking = stored.and_then(|stored| stored.lacking.as_ref());
        if lacking.is_some() || self.challenge.as_ref().is_some_and(Challenge::is_insufficient_scope) {
            scopes.extend(stored.iter().flat_map(|stored| stored.scopes.iter().cloned()));
        }
        match lacking.map(Vec::as_slice) {
            // The server did not say which: all that it knows.
            Some([]) => scopes.extend(discovered.scopes.iter().cloned()),
            lacking => scopes.extend(lacking.unwrap_or_default().iter().cloned()),
        }
        let offline = "offline_access";
        if !scopes.is_empty() && discovered.metadata.scopes_supported.iter().any(|scope| scope == offline) {
            scopes.push(offline.to_owned());
        }
        let mut seen = std::collections::HashSet::new();
        scopes.retain(|scope| seen.insert(scope.clone()));
        scopes
    }

    /// Everything after the page.
    async fn finish(&self, asked: Asked, code: Secret) -> Result<LoggedIn, LoginError> {
        let Asked { discovered, client, scopes, redirect_uri, verifier, .. } = asked;
        let metadata = discovered.metadata;
        let endpoint = Url::parse(&metadata.token_endpoint)
            .map_err(|_| LoginError::Unsupported("the token endpoint is no URL".into()))?;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", redirect_uri.as_str()),
            ("code_verifier", verifier.expose()),
        ];
        fields.extend(discovered.resource.as_deref().map(|resource| ("resource", resource)));
        // Before the code is spent: a refresh in another process must not overwrite what comes.
        let lock = self.store.lock(&self.server).await?;
        let asked_at = now();
        let tokens = token::ask(&*self.http, "a token", &endpoint, &client, &fields).await?;
        let generation =
            self.store.load(&self.server).await.ok().flatten().map_or(0, |stored| stored.generation);
        let credentials = Credentials {
            server: self.server.url().to_string(),
            placement: self.server.placement().to_owned(),
            issuer: metadata.issuer,
            token_endpoint: metadata.token_endpoint,
            revocation_endpoint: metadata.revocation_endpoint,
            resource: discovered.resource,
            client: if client.registered { client } else { Client { secret: None, ..client } },
            scopes: tokens.scopes.unwrap_or(scopes),
            access_token: tokens.access_token,
            received_at: asked_at,
            expires_in: tokens.expires_in,
            refresh_token: tokens.refresh_token,
            login_needed: None,
            lacking: None,
            generation: generation + 1,
        };
        self.store.save(&self.server, &credentials).await?;
        drop(lock);
        Ok(LoggedIn {
            issuer: credentials.issuer,
            client_id: credentials.client.id,
            scopes: credentials.scopes,
            expires_in: credentials.expires_in.map(Duration::from_secs),
            renewable: credentials.refresh_token.is_some(),
        })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("server", &self.server).finish_non_exhaustive()
    }
}
