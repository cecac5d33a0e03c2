//! Clients of every kind, logouts, and programs that log in by themselves.

use super::{World, ping, sign_in, token};
use afield_mcp::login::{
    Authorizer, Beforehand, ClientCredentials, ClientProof, ClientSettings, LoggedOut, LoginState, Secret,
    SigningKey, logout,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use std::sync::Arc;

/// Proves that a client which was given a secret at registration still has it in a later process, whichever way the
/// authorization server wants it.
#[tokio::test]
async fn a_registered_clients_secret_outlives_the_process() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let world = World::start().await;
        world.site.set(|site| (site.methods, site.first_lasts) = (vec![method], 0));
        world.logged_in().await;
        assert!(world.site.is_good(&world.bearer().await), "{method}");
        let form = world.site.forms("/token").pop().unwrap();
        assert_eq!(form.contains_key("authorization"), method == "client_secret_basic", "{method}");
    }
}

/// Proves that a client registered by hand registers nothing, and that its secret is not in the store.
#[tokio::test]
async fn a_configured_client_is_used_and_its_secret_not_stored() {
    let world = World::start().await;
    world.site.set(|site| site.first_lasts = 0);
    let client = ClientSettings {
        id: Some("by-hand".into()),
        secret: Some(Secret::new("canary-secret-by-hand")),
        ..ClientSettings::default()
    };
    sign_in(&world.login().with_client(client.clone())).await.unwrap();
    assert_eq!(world.site.count("/register", None), 0);
    let stored = std::fs::read_to_string(super::token_file(&world.tokens())).unwrap();
    assert!(
        !stored.contains("by-hand\",\"secret\":\"canary") && !stored.contains("canary-secret"),
        "{stored}"
    );
    let authorizer = Authorizer::new(world.http.clone(), world.server(), world.store(), client);
    assert!(world.site.is_good(&token(&authorizer).await));
}

/// Proves that with a fixed port a second login needs no second registration, and that with the document of a client none
/// is needed at all.
#[tokio::test]
async fn nothing_is_registered_twice_for_one_port() {
    let world = World::start().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for _ in 0..2 {
        sign_in(&world.login().with_port(port)).await.unwrap();
    }
    assert_eq!(world.site.count("/register", None), 1);
    world.site.set(|site| {
        site.metadata = serde_json::json!({"client_id_metadata_document_supported": true});
        site.denies = Some("access_denied");
    });
    let client = ClientSettings {
        metadata_url: Some("https://client.example/afield.json".into()),
        ..Default::default()
    };
    sign_in(&world.login().with_client(client)).await.unwrap_err();
    assert_eq!(world.site.count("/register", None), 1);
    assert_eq!(
        world.site.forms("/authorize").pop().unwrap()["client_id"],
        "https://client.example/afield.json"
    );
}

/// Proves that a logout has the tokens taken back and forgets them, also when the authorization server is gone.
#[tokio::test]
async fn a_logout_revokes_and_forgets() {
    let world = World::start().await;
    let settings = ClientSettings::default();
    let out = async || logout(&*world.http, &world.server(), &world.store(), &settings).await.unwrap();
    assert!(matches!(out().await, LoggedOut::NothingThere));
    world.logged_in().await;
    let authorizer = world.authorizer();
    let old = token(&authorizer).await;
    assert!(matches!(out().await, LoggedOut::Revoked));
    assert!(!world.site.is_good(&old));
    assert_eq!(world.store().state(&world.server()).await.unwrap(), LoginState::None);
    // Who had the token notices when it is refused.
    assert!(ping(&world.transport(&authorizer), &world.site.url()).await.starts_with("AuthRequired"));
    assert!(authorizer.bearer().await.unwrap().is_none());

    world
        .site
        .set(|site| site.metadata = serde_json::json!({"revocation_endpoint": "http://127.0.0.1:9/revoke"}));
    world.logged_in().await;
    assert!(matches!(out().await, LoggedOut::NotRevoked(_)));
    world.site.set(|site| site.metadata = serde_json::json!({"revocation_endpoint": null}));
    world.logged_in().await;
    assert!(matches!(out().await, LoggedOut::RemovedHere));
    assert_eq!(world.store().state(&world.server()).await.unwrap(), LoginState::None);
}

/// Proves that a program logs in by itself, by a secret in either way or by a key, that its token is shared by later
/// processes, and replaced when it is refused.
#[tokio::test]
async fn a_program_logs_in_by_itself() {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let pem = STANDARD.encode(key.as_ref());
    let pem = Secret::new(format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"));
    let key = Arc::new(SigningKey::from_pem(&pem).unwrap());
    let secret = || ClientProof::Secret(Secret::new("canary-secret-by-hand"));
    for (method, proof) in [
        ("client_secret_basic", secret()),
        ("client_secret_post", secret()),
        ("private_key_jwt", ClientProof::Key(key)),
    ] {
        let world = World::start().await;
        world.site.set(|site| site.methods = vec![method]);
        let client = ClientCredentials {
            id: "by-hand".into(),
            proof,
            scopes: Vec::new(),
            auth: None,
            beforehand: Beforehand::default(),
        };
        let start =
            || Authorizer::for_client(world.http.clone(), world.server(), world.store(), client.clone());
        for authorizer in [start(), start()] {
            assert!(
                ping(&world.transport(&authorizer), &world.site.url()).await.starts_with("Json"),
                "{method}"
            );
        }
        assert_eq!(world.site.count("/token", None), 1, "{method}");
        world.site.expire();
        assert!(ping(&world.transport(&start()), &world.site.url()).await.starts_with("Json"), "{method}");
        assert_eq!(world.site.count("/token", None), 2, "{method}");
    }
}
