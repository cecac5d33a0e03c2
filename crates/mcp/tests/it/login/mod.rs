//! Logging in, and what follows, against an authorization server that revokes what is used twice.

mod authorizer;
mod callback;
mod clients;
mod flow;
mod person;
mod placement;
mod processes;
mod real;
mod secrecy;
mod servers;
mod store;

use afield_client::{HttpClient, Local};
use afield_egress::EgressConfig;
use afield_mcp::{
    HttpTransport,
    login::{Authorizer, ClientSettings, LoggedIn, Login, LoginError, Protection, Server, TokenStore},
};
use afield_testkit::oauth::Site;
use person::Person;
use rmcp::transport::streamable_http_client::StreamableHttpClient;
use std::{collections::HashMap, path::Path, sync::Arc};
use tempfile::TempDir;

/// A site, and an empty store.
struct World {
    site: Site,
    http: Arc<dyn HttpClient>,
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { site: Site::start().await, http: local(), folder }
    }

    fn server(&self) -> Server {
        Server::new(&self.site.url(), "local").unwrap()
    }

    fn store(&self) -> TokenStore {
        TokenStore::new(self.tokens(), Protection::File)
    }

    fn tokens(&self) -> std::path::PathBuf {
        self.folder.path().join("tokens")
    }

    fn login(&self) -> Login {
        Login::new(self.http.clone(), self.server(), self.store())
    }

    async fn logged_in(&self) -> LoggedIn {
        sign_in(&self.login()).await.unwrap()
    }

    /// One that knows nothing yet, as in a new process.
    fn authorizer(&self) -> Authorizer {
        Authorizer::new(self.http.clone(), self.server(), self.store(), ClientSettings::default())
    }

    async fn bearer(&self) -> String {
        token(&self.authorizer()).await
    }

    fn transport(&self, authorizer: &Authorizer) -> HttpTransport {
        HttpTransport::new(self.http.clone()).with_authorizer(authorizer.clone())
    }
}

fn local() -> Arc<dyn HttpClient> {
    Arc::new(Local::new(EgressConfig::default()).unwrap())
}

async fn sign_in(login: &Login) -> Result<LoggedIn, LoginError> {
    login.in_browser(&Person::default(), &|_| {}).await
}

async fn token(authorizer: &Authorizer) -> String {
    authorizer.bearer().await.unwrap().unwrap().token().expose().to_owned()
}

/// What a ping over this transport comes to.
async fn ping(transport: &HttpTransport, url: &str) -> String {
    crate::support::posted(
        transport.post_message(url.into(), crate::support::ping(), None, None, HashMap::new()).await,
    )
    .await
}

/// The only file of tokens in a folder.
fn token_file(folder: &Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let file = files.next().unwrap();
    assert!(files.next().is_none());
    file
}
