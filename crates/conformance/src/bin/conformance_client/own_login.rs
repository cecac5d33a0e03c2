//! Logging in as afield does: the same scenarios by `afield_mcp::login`, which asks for a login when a server asks for one.

use crate::{Failure, handler::Handler, login::CLIENT_METADATA, scenarios::calls, wanted::Wanted};
use afield_client::HttpClient;
use afield_exchange::{RedirectPolicy, Request};
use afield_mcp::{
    HttpTransport,
    login::{Authorizer, Challenge, ClientSettings, Login, Protection, Secret, Server, TokenStore},
};
use rmcp::{
    ClientServiceExt,
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use std::{io, sync::Arc};
use url::Url;

/// How often a login is tried before the client gives up.
const LOGINS: usize = 3;

/// Uses the server, and logs in whenever it wants that.
pub async fn run(
    client: Arc<dyn HttpClient>,
    browser: Arc<dyn HttpClient>,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let store = TokenStore::new(folder.path().join("tokens"), Protection::File);
    let server = Server::new(&wanted.url, "suite")?;
    let settings = ClientSettings {
        id: wanted.context.client_id.clone(),
        secret: wanted.context.client_secret.clone().map(Secret::new),
        metadata_url: Some(CLIENT_METADATA.to_owned()),
        name: "afield-conformance-client".to_owned(),
        auth: None,
    };
    // An authorization server that changes does so between two sessions.
    let mut sessions = if wanted.scenario == "auth/authorization-server-migration" { 3 } else { 1 };
    let mut logins = 0;
    let authorizer = Authorizer::new(client.clone(), server.clone(), store.clone(), settings.clone());
    let transport = HttpTransport::new(client.clone()).with_authorizer(authorizer.clone());
    while sessions > 0 {
        let Some(challenge) = session(&transport, wanted).await? else {
            sessions -= 1;
            continue;
        };
        if logins == LOGINS {
            break;
        }
        logins += 1;
        let mut login =
            Login::new(client.clone(), server.clone(), store.clone()).with_client(settings.clone());
        if let Some(challenge) = Challenge::parse(&challenge) {
            login = login.with_challenge(challenge);
        }
        let browser = browser.clone();
        let open = move |page: &Url| -> io::Result<()> {
            tokio::spawn(browse(browser.clone(), page.clone()));
            Ok(())
        };
        login.in_browser(&open, &|_| {}).await?;
    }
    authorizer.settle().await;
    Ok(())
}

/// Uses every tool. The server's challenge, if it refused something.
async fn session(transport: &HttpTransport, wanted: &Wanted) -> Result<Option<String>, Failure> {
    let config = StreamableHttpClientTransportConfig::with_uri(wanted.url.as_str());
    let transport = StreamableHttpClientTransport::with_client(transport.clone(), config);
    let running = match Handler.serve_with_lifecycle(transport, wanted.lifecycle()).await {
        Ok(running) => running,
        Err(error) => {
            let challenge = error.auth_challenge().map(str::to_owned);
            return challenge.map(Some).ok_or_else(|| error.into());
        }
    };
    let mut challenge = None;
    match calls(&running, wanted).await {
        Ok(calls) => {
            for call in calls {
                if let Err(error) = running.call_tool(call).await {
                    challenge = challenge.or(error.auth_challenge().map(str::to_owned));
                }
            }
        }
        Err(error) => challenge = error.auth_challenge().map(str::to_owned),
    }
    running.cancel().await?;
    Ok(challenge)
}

/// Follows the page's redirect back to where the login listens.
async fn browse(browser: Arc<dyn HttpClient>, page: Url) -> Result<(), afield_exchange::Error> {
    let mut request = Request::get(page);
    request.redirect = RedirectPolicy::Stop;
    let answer = browser.call(request).await?;
    if let Some(back) = answer.head.header("location").and_then(|location| location.text()) {
        browser.call(Request::get(back)).await?;
    }
    Ok(())
}
