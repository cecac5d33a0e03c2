//! Logging in at authorization servers that others wrote, as they are.

use super::{local, person, ping, processes::many, token};
use afield_client::{HttpClient, Remote, RemoteConfig};
use afield_executor::{Config, Executor, Listen};
use afield_mcp::{
    HttpTransport,
    login::{
        Authorizer, Challenge, ClientAuth, ClientSettings, LoggedIn, LoggedOut, Login, LoginError,
        LoginState, Protection, Secret, Server, TokenStore, logout,
    },
};
use afield_testkit::{require_or_skip, tools::RealLogin};
use serde_json::{Value, json};
use std::{collections::HashMap, io, sync::Arc};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

/// One of those servers, and what afield is to it.
struct World {
    site: RealLogin,
    http: Arc<dyn HttpClient>,
    settings: ClientSettings,
    port: Option<u16>,
    folder: TempDir,
}

impl World {
    fn new(site: RealLogin) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { site, http: local(), settings: ClientSettings::default(), port: None, folder }
    }

    fn url(&self) -> String {
        format!("{}/mcp", self.site.base())
    }

    fn server(&self) -> Server {
        Server::new(&self.url(), "somewhere").unwrap()
    }

    fn store(&self) -> TokenStore {
        TokenStore::new(self.folder.path().join("tokens"), Protection::File)
    }

    fn login(&self) -> Login {
        let login = Login::new(self.http.clone(), self.server(), self.store());
        let login = login.with_client(self.settings.clone());
        match self.port {
            Some(port) => login.with_port(port),
            None => login,
        }
    }

    async fn sign_in(&self, login: Login) -> Result<LoggedIn, LoginError> {
        login.in_browser(&Jar, &|_| {}).await
    }

    fn authorizer(&self) -> Authorizer {
        Authorizer::new(self.http.clone(), self.server(), self.store(), self.settings.clone())
    }

    async fn ping(&self) -> String {
        let transport = HttpTransport::new(self.http.clone()).with_authorizer(self.authorizer());
        ping(&transport, &self.url()).await
    }

    async fn control(&self, change: Value) -> Value {
        let mut request = afield_exchange::Request::new("POST", format!("{}/control", self.site.base()));
        request.body = afield_exchange::RequestBody::Bytes(change.to_string().into());
        let answer = local().call(request).await.unwrap();
        serde_json::from_slice(&answer.body).unwrap()
    }

    async fn seen(&self, path: &str) -> u64 {
        self.control(json!({})).await["seen"][path].as_u64().unwrap_or(0)
    }

    async fn out(&self) -> LoggedOut {
        logout(&*self.http, &self.server(), &self.store(), &self.settings).await.unwrap()
    }

    /// Login, use, renewal, and a logout that takes everything back.
    async fn goes_round(&self) {
        // It has ended when it comes.
        self.control(json!({"lasts": 0})).await;
        let got = self.sign_in(self.login().with_scopes(vec!["read".into()])).await.unwrap();
        assert!(got.renewable && got.scopes.contains(&"read".to_owned()), "{got:?}");
        self.control(json!({"lasts": 3600})).await;
        let told = self.ping().await;
        assert!(!told.starts_with("AuthRequired") && !told.starts_with("Client"), "{told}");
        let renewed = token(&self.authorizer()).await;
        let out = self.out().await;
        assert!(matches!(out, LoggedOut::Revoked), "{out:?}");
        assert_eq!(self.store().state(&self.server()).await.unwrap(), LoginState::None);
        let alone = HttpTransport::new(self.http.clone())
            .with_headers(vec![afield_exchange::Header::new("authorization", format!("Bearer {renewed}"))])
            .unwrap();
        let told = ping(&alone, &self.url()).await;
        assert!(told.starts_with("AuthRequired"), "the token was taken back, and {told}");
    }

    /// A client registered by hand that authenticates so, with a port of its own.
    async fn by_hand(&mut self, auth: ClientAuth, said: bool) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let id = format!("by-hand {}", auth.name());
        let secret = (auth != ClientAuth::None).then_some("a+b c/d");
        let client = json!({
            "client_id": id,
            "client_secret": secret,
            "redirect_uris": [format!("http://127.0.0.1:{port}/callback")],
            "token_endpoint_auth_method": auth.name(),
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "read write",
        });
        self.control(json!({ "client": client })).await;
        self.port = Some(port);
        self.settings = ClientSettings {
            id: Some(id),
            secret: secret.map(Secret::new),
            auth: said.then_some(auth),
            ..ClientSettings::default()
        };
    }

    /// The token is good, and lacks a scope; the plain login that follows brings it.
    async fn steps_up(&self, wanted: Value, named: bool) {
        self.control(json!({"lasts": 3600, "wants": wanted[0]})).await;
        self.sign_in(self.login().with_scopes(vec!["read".into()])).await.unwrap();
        let told = self.ping().await;
        assert!(!told.starts_with("InsufficientScope"), "{told}");
        self.control(json!({ "wants": wanted[1] })).await;
        let told = self.ping().await;
        assert!(told.starts_with("InsufficientScope"), "{told}");
        assert_eq!(told.contains("required_scope: Some"), named, "{told}");
        let got = self.sign_in(self.login().with_scopes(vec!["read".into()])).await.unwrap();
        for scope in ["read", "write"] {
            assert!(got.scopes.iter().any(|got| got == scope), "{got:?}");
        }
        let told = self.ping().await;
        assert!(!told.starts_with("InsufficientScope") && !told.starts_with("AuthRequired"), "{told}");
        assert!(matches!(self.out().await, LoggedOut::Revoked));
    }
}

/// A browser that keeps cookies, and follows wherever it is led until it is back.
struct Jar;

impl afield_mcp::login::Browser for Jar {
    fn open(&self, url: &Url) -> io::Result<()> {
        let mut url = url.clone();
        tokio::spawn(async move {
            let mut cookies: HashMap<String, String> = HashMap::new();
            for _ in 0..10 {
                let address = url.socket_addrs(|| None).unwrap()[0];
                let jar: Vec<String> =
                    cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let authority = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
                let target = &url[url::Position::BeforePath..];
                let request = format!(
                    "GET {target} HTTP/1.1\r\nhost: {authority}\r\ncookie: {}\r\nconnection: close\r\n\r\n",
                    jar.join("; ")
                );
                let answer = person::send(address, &request).await;
                let field = |line: &str, name: &str| {
                    let (given, value) = line.split_once(':')?;
                    given.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
                };
                for cookie in answer.lines().filter_map(|line| field(line, "set-cookie")) {
                    let pair = cookie.split(';').next().unwrap();
                    let (name, value) = pair.split_once('=').unwrap();
                    cookies.insert(name.to_owned(), value.to_owned());
                }
                let Some(next) = answer.lines().find_map(|line| field(line, "location")) else { return };
                url = url.join(&next).unwrap();
            }
        });
        Ok(())
    }
}

async fn python(kind: &str) -> Result<World, afield_testkit::tools::Unavailable> {
    match kind {
        "sdk" => RealLogin::python_sdk().await.map(World::new),
        _ => RealLogin::fastmcp().await.map(World::new),
    }
}

/// Proves that a client which registers itself logs in, renews and logs out at the Python SDK's authorization server and at
/// FastMCP's, with the metadata that they have (case 195).
#[tokio::test]
async fn login_at_python_servers_registers_renews_and_logs_out() {
    for kind in ["sdk", "fastmcp"] {
        let world = require_or_skip!(python(kind).await);
        world.goes_round().await;
        assert_eq!((world.seen("/register").await, world.seen("/token").await), (1, 2), "{kind}");
    }
}

/// Proves that it does so in each way in which a client can authenticate, whether it registers itself or was registered by
/// hand; by hand also where nobody says the way that the server names first (case 195).
#[tokio::test]
async fn login_at_python_servers_in_every_way_a_client_can_authenticate() {
    for kind in ["sdk", "fastmcp"] {
        let mut world = require_or_skip!(python(kind).await);
        let ways = [ClientAuth::ClientSecretBasic, ClientAuth::ClientSecretPost, ClientAuth::None];
        for auth in ways {
            world.settings = ClientSettings { auth: Some(auth), ..ClientSettings::default() };
            world.port = None;
            world.goes_round().await;
            world.by_hand(auth, true).await;
            world.goes_round().await;
        }
        world.by_hand(ClientAuth::ClientSecretPost, false).await;
        world.goes_round().await;
    }
}

/// Proves that a scope which the Python SDK's server misses without naming it, and FastMCP's by name, is in the token of the
/// next plain login, also for a client that keeps its registration's port (cases 173 and 199).
#[tokio::test]
async fn step_up_at_python_servers_is_the_next_plain_login() {
    for (kind, named) in [("sdk", false), ("fastmcp", true)] {
        let mut world = require_or_skip!(python(kind).await);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        world.port = Some(port);
        world.steps_up(json!([["read"], ["read", "write"]]), named).await;
    }
}

/// Proves that of four processes which find the token ended one spends the refresh token, which serves once, and all get what
/// it got (case 195).
#[tokio::test]
async fn four_processes_renew_once_at_real_servers() {
    for kind in ["sdk", "fastmcp", "oidc"] {
        let world = match kind {
            "oidc" => require_or_skip!(RealLogin::oidc_provider().await.map(World::new)),
            _ => require_or_skip!(python(kind).await),
        };
        world.control(json!({"lasts": if kind == "oidc" { 1 } else { 0 }})).await;
        world.sign_in(world.login().with_scopes(vec!["read".into()])).await.unwrap();
        world.control(json!({"lasts": 3600})).await;
        if kind == "oidc" {
            // It takes no token that has ended already.
            let ended = async {
                let over = |state: &LoginState| matches!(state, LoginState::LoggedIn { remaining: Some(left), .. } if left.is_zero());
                while !over(&world.store().state(&world.server()).await.unwrap()) {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            };
            afield_testkit::within("the token's end", ended).await;
        }
        let before = world.seen("/token").await;
        let tokens = many(4, &world.folder.path().join("tokens"), &world.url(), "somewhere").await;
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{kind}: {tokens:?}");
        assert_eq!(world.seen("/token").await, before + 1, "{kind}");
        let told = world.ping().await;
        assert!(!told.starts_with("AuthRequired"), "{kind}: {told}");
    }
}

/// Proves that oidc-provider is logged in at, its refresh tokens rotated and taken back, in each way of authenticating; and
/// that a missing scope comes with the next plain login (cases 173 and 195).
#[tokio::test]
async fn login_at_oidc_provider_renews_steps_up_and_logs_out() {
    let mut world = require_or_skip!(RealLogin::oidc_provider().await.map(World::new));
    for auth in [None, Some(ClientAuth::ClientSecretBasic), Some(ClientAuth::ClientSecretPost)] {
        world.settings = ClientSettings { auth, ..ClientSettings::default() };
        world.control(json!({"lasts": 3600, "wants": "read"})).await;
        let got = world.sign_in(world.login()).await.unwrap();
        assert!(got.renewable, "{got:?}");
        let first = token(&world.authorizer()).await;
        assert!(world.ping().await.starts_with("Json"));
        // What a server says that refuses the token: it is renewed.
        let authorizer = world.authorizer();
        let bearer = authorizer.bearer().await.unwrap();
        let verdict = authorizer.refused(bearer.as_ref(), Challenge::parse("Bearer").as_ref()).await.unwrap();
        assert!(matches!(verdict, afield_mcp::login::Verdict::Retry(_)), "{verdict:?}");
        assert_ne!(token(&world.authorizer()).await, first);
        assert!(world.ping().await.starts_with("Json"));
        assert!(matches!(world.out().await, LoggedOut::Revoked));
    }
    world.steps_up(json!(["read", "write"]), true).await;
}

/// Proves that all of it works where the servers are reached through an executor (case 195).
#[tokio::test]
async fn login_at_real_servers_behind_an_executor() {
    let listen = Listen::Ws(([127, 0, 0, 1], 0).into());
    let executor = Executor::bind(Config { listen, ..Config::default() }).await.unwrap();
    let url = format!("ws://{}", executor.local_addr().unwrap());
    let mut running = JoinSet::new();
    running.spawn(executor.run(CancellationToken::new()));
    for kind in ["sdk", "fastmcp"] {
        let mut world = require_or_skip!(python(kind).await);
        world.http = Arc::new(Remote::connect(RemoteConfig::new(url.clone())).await.unwrap());
        world.goes_round().await;
    }
}
