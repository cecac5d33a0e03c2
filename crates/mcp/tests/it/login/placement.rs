//! Where the requests of a login leave from.

use super::{person::Person, ping, token};
use afield_client::{Dialect, HttpClient, Remote, RemoteConfig};
use afield_egress::{EgressConfig, Resolve, Resolving};
use afield_exchange::{Blame, Kind};
use afield_executor::{Config, Executor, Listen};
use afield_mcp::{
    HttpTransport,
    login::{
        Authorizer, ClientSettings, LoggedOut, Login, LoginError, Protection, Server, TokenStore, logout,
    },
};
use afield_testkit::{Names, oauth::Site};
use std::{io, sync::Arc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

struct Scripted(Names);

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, host: &'a str, _: Option<&'a str>) -> Resolving<'a> {
        Box::pin(async move { self.0.resolve(host).await.map_err(io::Error::other) })
    }
}

/// Proves that discovery, registration, code exchange, renewal and revocation all leave from the executor: they name a
/// host that only the executor's resolver knows. And that a token gained there is none for the same URL from here.
#[tokio::test]
async fn every_request_of_a_login_leaves_from_the_executor() {
    let site = Site::named(Some("auth.internal")).await;
    let names = Names::new();
    names.host("auth.internal", ["127.0.0.1"]);
    let egress = EgressConfig { resolver: Arc::new(Scripted(names.clone())), ..EgressConfig::default() };
    let listen = Listen::Ws(([127, 0, 0, 1], 0).into());
    let executor = Executor::bind(Config { listen, egress, ..Config::default() }).await.unwrap();
    let url = format!("ws://{}", executor.local_addr().unwrap());
    let mut running = JoinSet::new();
    running.spawn(executor.run(CancellationToken::new()));
    let there: Arc<dyn HttpClient> = Arc::new(Remote::connect(RemoteConfig::new(url)).await.unwrap());
    // The resolver here knows no name at all.
    let blind = EgressConfig { resolver: Arc::new(Scripted(Names::new())), ..EgressConfig::default() };
    let here: Arc<dyn HttpClient> = Arc::new(afield_client::Local::new(blind).unwrap());

    let folder = tempfile::tempdir().unwrap();
    let store = TokenStore::new(folder.path().join("tokens"), Protection::File);
    let server = Server::new(&site.url(), "there").unwrap();
    let person = Person { leads_to: Some(site.address()), ..Person::default() };
    let login = |http: &Arc<dyn HttpClient>| Login::new(http.clone(), server.clone(), store.clone());
    let error = login(&here).in_browser(&person, &|_| {}).await.unwrap_err();
    assert!(matches!(error, LoginError::Exchange { .. }), "{error}");

    site.set(|site| site.first_lasts = 0);
    login(&there).in_browser(&person, &|_| {}).await.unwrap();
    let settings = ClientSettings::default();
    let authorizer = Authorizer::new(there.clone(), server.clone(), store.clone(), settings.clone());
    assert!(site.is_good(&token(&authorizer).await));
    let transport = HttpTransport::new(there.clone()).with_authorizer(authorizer);
    assert!(ping(&transport, &site.url()).await.starts_with("Json"));

    let same_from_here = Server::new(&site.url(), "local").unwrap();
    let elsewhere = Authorizer::new(here, same_from_here, store.clone(), settings.clone());
    assert!(elsewhere.bearer().await.unwrap().is_none());

    let out = logout(&*there, &server, &store, &settings).await.unwrap();
    assert!(matches!(out, LoggedOut::Revoked), "{out:?}");
    assert!(names.calls("auth.internal") > 0);
}

/// Proves that a server which is not near leads a login to nothing near either, under a name as little as under an address,
/// here and by an executor; and that a server which is near may (case 159).
#[tokio::test]
async fn case_159_a_name_that_leads_to_loopback_is_refused_where_it_is_resolved() {
    let names = Names::new();
    for name in ["auth.internal", "near.internal"] {
        names.host(name, ["127.0.0.1"]);
    }
    let egress = EgressConfig { resolver: Arc::new(Scripted(names)), ..EgressConfig::default() };
    let here: Arc<dyn HttpClient> = Arc::new(afield_client::Local::new(egress.clone()).unwrap());
    let listen = Listen::Ws(([127, 0, 0, 1], 0).into());
    let executor = Executor::bind(Config { listen, egress, ..Config::default() }).await.unwrap();
    let url = format!("ws://{}", executor.local_addr().unwrap());
    let mut running = JoinSet::new();
    running.spawn(executor.run(CancellationToken::new()));
    let mut clients = vec![here];
    for dialect in [Dialect::Auto, Dialect::Base] {
        let config = RemoteConfig { dialect, ..RemoteConfig::new(url.clone()) };
        clients.push(Arc::new(Remote::connect(config).await.unwrap()));
    }
    let folder = tempfile::tempdir().unwrap();
    for (round, client) in clients.iter().enumerate() {
        for (host, allowed) in [(Some("auth.internal"), false), (None, true)] {
            let site = Site::named(host).await;
            let endpoint = format!("http://near.internal:{}/register", site.address().port());
            site.set(|site| site.metadata = serde_json::json!({ "registration_endpoint": endpoint }));
            let store = TokenStore::new(folder.path().join(format!("{round}-{allowed}")), Protection::File);
            let server = Server::new(&site.url(), "somewhere").unwrap();
            let person = Person { leads_to: Some(site.address()), ..Person::default() };
            let done = Login::new(client.clone(), server, store).in_browser(&person, &|_| {}).await;
            assert_eq!(done.is_ok(), allowed, "{round}: {done:?}");
            assert_eq!(site.count("/register", None), usize::from(allowed), "{round}");
            if let Err(error) = done {
                let LoginError::Exchange { error, .. } = &error else { panic!("{error}") };
                assert_eq!((error.kind(), error.blame()), (Kind::PolicyDenied, Blame::Caller), "{error:?}");
            }
        }
    }
}
