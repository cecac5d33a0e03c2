use super::{offered::OfferFlags, placed};
use crate::console::note;
use crate::{ExitCode, config_flags::ConfigFlags, failure::Failure, request::Client};
use afield_client::HttpClient;
use afield_config::{McpServer, OAuth, Variables};
use afield_mcp::login::{
    AuthorizeError, Authorizer, ClientSettings, LoggedOut, Login, LoginError, Server, SystemBrowser,
    TokenStore, forget, logout,
};
use afield_placement::{Placements, beforehand, client_credentials};
use clap::Args;
use std::sync::Arc;
use tokio::io::BufReader;

/// Which server to log in at, and how, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The server's name.
    name: String,

    /// Print the address to sign in at, and take the address that the browser ended at: for machines without a browser.
    #[arg(long)]
    headless: bool,

    /// Ask for these scopes, in place of those configured or asked for by the server.
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,

    /// Have the browser come back to this loopback port. Default: the configured one, else any that is free.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    #[command(flatten)]
    offers: OfferFlags,
}

/// Which server to log out of, as typed.
#[derive(Debug, Args)]
pub(super) struct LogoutFlags {
    /// The server's name.
    name: String,

    #[command(flatten)]
    offers: OfferFlags,
}

/// A server of the configuration, as a login needs it.
struct Meant {
    client: Client,
    http: Arc<dyn HttpClient>,
    server: Server,
    store: TokenStore,
    oauth: OAuth,
    settings: ClientSettings,
}

pub(super) async fn login(config: &ConfigFlags, flags: &Flags) -> Result<(), Failure> {
    let meant = Meant::find(config, &flags.offers, &flags.name).await?;
    let done = meant.login(flags).await;
    meant.client.close().await;
    done
}

pub(super) async fn out(config: &ConfigFlags, flags: &LogoutFlags) -> Result<(), Failure> {
    let name = &flags.name;
    let kept = |error: &LoginError| failed(name, error);
    let meant = match Meant::find(config, &flags.offers, name).await {
        Ok(meant) => meant,
        // What is stored here is removed whoever can be reached.
        Err(failure) => {
            let loaded = config.load()?;
            let Ok(server) = loaded.mcp_server(name) else { return Err(failure) };
            if server.sets_authorization() {
                return Err(failure);
            }
            let server = identity(server, &server.environment)?;
            let store = TokenStore::of_the_user().map_err(|error| kept(&error.into()))?;
            return match forget(&server, &store).await.map_err(|error| kept(&error))? {
                true => Err(still_good(name, &failure.message)),
                false => Err(failure),
            };
        }
    };
    let done = logout(&*meant.http, &meant.server, &meant.store, &meant.settings).await;
    meant.client.close().await;
    match done.map_err(|error| kept(&error))? {
        LoggedOut::NothingThere => note!("{name}: nobody was logged in"),
        LoggedOut::Revoked => note!("{name}: logged out, and the tokens were taken back"),
        LoggedOut::RemovedHere => note!(
            "{name}: logged out here; the authorization server cannot take tokens back, so they are good until they end"
        ),
        LoggedOut::NotRevoked(error) => return Err(still_good(name, &error.to_string())),
    }
    Ok(())
}

fn still_good(name: &str, why: &str) -> Failure {
    let told = format!(
        "{name}: logged out here, but the tokens were not taken back and are good until they end: {why}"
    );
    Failure::new(ExitCode::NotRevoked, told)
        .with_hint("whoever runs the authorization server can take them back; nothing is left of them here")
}

impl Meant {
    async fn find(config: &ConfigFlags, offers: &OfferFlags, name: &str) -> Result<Self, Failure> {
        let placements = Placements::new(Variables::of_process());
        let loaded = offers.load(config, &placements, &[name.to_owned()]).await?;
        let server = loaded.mcp_server(name).map_err(|error| Failure::usage(error.to_string()))?;
        let wrong = |problem: &dyn std::fmt::Display| Failure::new(ExitCode::Config, problem.to_string());
        let placement = server.placement().map_err(|problem| wrong(problem))?;
        if server.sets_authorization() {
            let why = format!(
                "{name}: the configuration says what `Authorization` is, so a login has no part in it"
            );
            return Err(Failure::usage(why).with_hint("take that header off the server"));
        }
        let oauth = server.oauth.clone().unwrap_or_default();
        let settings = settings(&oauth).map_err(|why| wrong(&format_args!("{name}: {why}")))?;
        let store = TokenStore::of_the_user().map_err(|error| failed(name, &error.into()))?;
        let meant = identity(server, placement.name())?;
        let client = placed::open(placement).await?;
        let http = client.shared();
        Ok(Self { client, http, server: meant, store, oauth, settings })
    }

    async fn login(&self, flags: &Flags) -> Result<(), Failure> {
        let (name, failed) = (&flags.name, |error: &LoginError| failed(&flags.name, error));
        let credentials = client_credentials(&self.oauth, &self.settings);
        let credentials =
            credentials.map_err(|why| Failure::new(ExitCode::Config, format!("{name}: {why}")))?;
        if let Some(client) = credentials {
            let id = client.id.clone();
            let parts = (self.http.clone(), self.server.clone(), self.store.clone());
            let authorizer = Authorizer::for_client(parts.0, parts.1, parts.2, client);
            let got = authorizer.bearer().await;
            authorizer.settle().await;
            got.map_err(|error| {
                let told = Failure::new(ExitCode::LoginFailed, format!("{name}: {error}"));
                match &error {
                    AuthorizeError::Client(cause) => hinted(told, cause),
                    _ => told,
                }
            })?;
            note!("{name}: logged in as {id}");
            return Ok(());
        }
        let login = self.as_configured(flags);
        let tell = |line: &str| note!("{line}");
        let got = if flags.headless {
            login.headless(&mut BufReader::new(tokio::io::stdin()), &tell).await
        } else {
            login.in_browser(&SystemBrowser, &tell).await
        };
        let got = got.map_err(|error| failed(&error))?;
        let scopes =
            if got.scopes.is_empty() { String::new() } else { format!(" for {}", got.scopes.join(", ")) };
        note!("{name}: logged in at {}{scopes}", got.issuer);
        if !got.renewable {
            note!("  hint: there is no refresh token, so a new login is needed when this one ends");
        }
        Ok(())
    }

    fn as_configured(&self, flags: &Flags) -> Login {
        let mut login = Login::new(self.http.clone(), self.server.clone(), self.store.clone())
            .with_client(self.settings.clone())
            .with_scopes(if flags.scopes.is_empty() {
                self.oauth.scopes.clone()
            } else {
                flags.scopes.clone()
            });
        if let Some(port) = flags.port.or(self.oauth.redirect_port) {
            login = login.with_port(port);
        }
        login.with_beforehand(beforehand(&self.oauth))
    }
}

fn identity(server: &McpServer, placement: &str) -> Result<Server, Failure> {
    Server::new(server.url.as_str(), placement).map_err(|error| Failure::usage(error.to_string()))
}

/// What the configuration says of the client.
pub(crate) fn settings(oauth: &OAuth) -> Result<ClientSettings, String> {
    afield_placement::client_settings(oauth, &Variables::of_process()).map_err(|error| error.to_string())
}

fn failed(name: &str, error: &LoginError) -> Failure {
    hinted(Failure::new(ExitCode::LoginFailed, format!("{name}: {error}")), error)
}

fn hinted(failure: Failure, error: &LoginError) -> Failure {
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
