use crate::Failure;
use afield_client::HttpClient;
use afield_exchange::{RedirectPolicy, Request};
use afield_mcp::HttpTransport;
use rmcp::transport::{
    auth::{AuthorizationManager, OAuthState},
    streamable_http_client::StreamableHttpClient,
};
use std::{future::Future, sync::Arc};

/// By which HTTP client MCP and OAuth go, and with which browser the user logs in: always one that is here.
pub trait Route: Sync {
    type Client: StreamableHttpClient + Sync;

    fn client(&self) -> Self::Client;

    fn browser(&self) -> &dyn HttpClient;

    fn manager(&self, url: &str) -> impl Future<Output = Result<AuthorizationManager, Failure>> + Send;

    fn login(&self, url: &str) -> impl Future<Output = Result<OAuthState, Failure>> + Send;

    /// Opens the link of an authorization as a user's browser would, and says where it sends the user back to.
    fn browse(&self, link: &str) -> impl Future<Output = Result<String, Failure>> + Send {
        let mut request = Request::get(link);
        request.redirect = RedirectPolicy::Stop;
        async move {
            let answer = self.browser().call(request).await?;
            let back = answer.head.header("location").and_then(|location| location.text());
            Ok(back.ok_or("the authorization server does not send the user back")?.to_owned())
        }
    }
}

/// The transport, over whatever client.
pub struct Own {
    transport: HttpTransport,
    browser: Arc<dyn HttpClient>,
}

impl Own {
    pub fn new(client: Arc<dyn HttpClient>, browser: Arc<dyn HttpClient>) -> Self {
        Self { transport: HttpTransport::new(client), browser }
    }
}

impl Route for Own {
    type Client = HttpTransport;

    fn client(&self) -> HttpTransport {
        self.transport.clone()
    }

    fn browser(&self) -> &dyn HttpClient {
        &*self.browser
    }

    async fn manager(&self, url: &str) -> Result<AuthorizationManager, Failure> {
        Ok(AuthorizationManager::new_with_oauth_http_client(url, Arc::new(self.client())).await?)
    }

    async fn login(&self, url: &str) -> Result<OAuthState, Failure> {
        Ok(OAuthState::new_with_oauth_http_client(url, Arc::new(self.client())).await?)
    }
}

/// rmcp's own client on reqwest, made as rmcp makes it.
pub struct Theirs {
    client: reqwest::Client,
    browser: Arc<dyn HttpClient>,
}

impl Theirs {
    pub fn new(browser: Arc<dyn HttpClient>) -> Result<Self, Failure> {
        // reqwest wants one even where there is no TLS; the first one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let redirects = reqwest::redirect::Policy::custom(|attempt| {
            let within =
                attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
            match attempt.status().as_u16() {
                307 | 308 if within && attempt.previous().len() <= 10 => attempt.follow(),
                _ => attempt.stop(),
            }
        });
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).redirect(redirects).build()?;
        Ok(Self { client, browser })
    }
}

impl Route for Theirs {
    type Client = reqwest::Client;

    fn client(&self) -> reqwest::Client {
        self.client.clone()
    }

    fn browser(&self) -> &dyn HttpClient {
        &*self.browser
    }

    async fn manager(&self, url: &str) -> Result<AuthorizationManager, Failure> {
        Ok(AuthorizationManager::new(url).await?)
    }

    async fn login(&self, url: &str) -> Result<OAuthState, Failure> {
        Ok(OAuthState::new(url, None).await?)
    }
}
