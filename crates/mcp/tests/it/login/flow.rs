use super::{
    World,
    person::{self, Person},
    ping, sign_in,
};
use afield_mcp::login::{Challenge, LoginState};
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::BufReader;
use url::Url;

/// Proves that a login discovers, registers, uses PKCE and names the resource (the site checks both), and that what comes
/// of it opens the server to rmcp.
#[tokio::test]
async fn a_login_opens_the_server() {
    let world = World::start().await;
    let transport = world.transport(&world.authorizer());
    assert!(ping(&transport, &world.site.url()).await.starts_with("AuthRequired"));
    let person = Person::default();
    let got = world.login().in_browser(&person, &|_| {}).await.unwrap();
    assert_eq!((got.issuer.as_str(), got.renewable), (world.site.base(), true));
    assert_eq!((got.scopes, got.expires_in), (vec!["read".to_owned()], Some(Duration::from_secs(3600))));
    let shown = person.saw().await;
    assert!(shown.starts_with("HTTP/1.1 200") && shown.contains("Signed in"), "{shown}");
    // Without starting anything anew.
    assert!(ping(&transport, &world.site.url()).await.starts_with("Json"));
    let state = world.store().state(&world.server()).await.unwrap();
    assert!(matches!(state, LoginState::LoggedIn { renewable: true, .. }), "{state:?}");
}

/// Proves that without a browser here the URL is told and the pasted address taken, after lines that are none.
#[tokio::test]
async fn a_pasted_address_logs_in() {
    let world = World::start().await;
    let told = Mutex::new(Vec::new());
    let (mut keyboard, reader) = tokio::io::duplex(4096);
    let (url_seen, mut url_told) = tokio::sync::mpsc::unbounded_channel();
    let login = world.login();
    let tell = |line: &str| {
        told.lock().unwrap().push(line.to_owned());
        if let Ok(url) = Url::parse(line) {
            url_seen.send(url).unwrap();
        }
    };
    let mut reader = BufReader::new(reader);
    let person = async {
        use tokio::io::AsyncWriteExt;
        let url = url_told.recv().await.unwrap();
        let back = person::sign_in(&url, None).await;
        keyboard
            .write_all(format!("\nwhat?\n{back}x-not\n  {back}\n").replace("x-not", "&state=1").as_bytes())
            .await
            .unwrap();
    };
    let (got, ()) = tokio::join!(login.headless(&mut reader, &tell), person);
    assert!(got.unwrap().renewable);
    let told = told.into_inner().unwrap();
    assert!(told.iter().any(|line| line.contains("copy all of it")), "{told:?}");
    assert!(ping(&world.transport(&world.authorizer()), &world.site.url()).await.starts_with("Json"));
}

/// Proves that a refusal is told in the authorization server's words, and that what was stored before stays.
#[tokio::test]
async fn a_refused_login_changes_nothing() {
    let world = World::start().await;
    world.logged_in().await;
    let before = world.bearer().await;
    for refusal in ["access_denied", "invalid_scope"] {
        world.site.set(|site| site.denies = Some(refusal));
        let error = sign_in(&world.login()).await.unwrap_err();
        assert_eq!(error.code(), Some(refusal));
    }
    assert_eq!(world.bearer().await, before);
}

/// Proves that a request that lacks a scope is answered by the scope, that a login by that challenge asks for it beside
/// those there were, and that an authorizer under way takes up the new token by itself.
#[tokio::test]
async fn a_missing_scope_is_asked_for_beside_the_others() {
    let world = World::start().await;
    world.logged_in().await;
    let transport = world.transport(&world.authorizer());
    assert!(ping(&transport, &world.site.url()).await.starts_with("Json"));
    world.site.set(|site| site.wants_scope = Some("write"));
    let refused = ping(&transport, &world.site.url()).await;
    assert!(refused.starts_with("InsufficientScope") && refused.contains("write"), "{refused}");
    assert_eq!(world.site.refreshes(), 0);
    let challenge = Challenge::parse("Bearer error=insufficient_scope, scope=write").unwrap();
    let got = sign_in(&world.login().with_challenge(challenge)).await.unwrap();
    assert_eq!(got.scopes, ["write", "read"]);
    assert!(ping(&transport, &world.site.url()).await.starts_with("Json"));
}

/// Proves that metadata about another server, another issuer, without PKCE, or with endpoints it must not lead to, is not
/// followed: nobody is asked to sign in.
#[tokio::test]
async fn what_cannot_be_trusted_is_not_followed() {
    let world = World::start().await;
    let cases = [
        (serde_json::json!({"issuer": "https://evil.example"}), "issuer"),
        (serde_json::json!({"code_challenge_methods_supported": ["plain"]}), "PKCE"),
        (serde_json::json!({"token_endpoint": "http://169.254.169.254/token"}), "link-local"),
        (serde_json::json!({"authorization_endpoint": "file:///etc/passwd"}), "http: or https:"),
        (serde_json::json!({"registration_endpoint": null}), "by hand"),
    ];
    let opened = |_: &Url| -> std::io::Result<()> { panic!("nobody is to be asked") };
    for (metadata, expected) in cases {
        world.site.set(|site| site.metadata = metadata);
        let error = world.login().in_browser(&opened, &|_| {}).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    world.site.set(|site| {
        site.metadata = serde_json::json!({});
        site.resource = Some("http://other.example/mcp".into());
    });
    let error = world.login().in_browser(&opened, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("another server"), "{error}");
}
