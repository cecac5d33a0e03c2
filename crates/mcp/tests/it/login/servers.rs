//! Servers whose metadata is not what it should be: a login works all the same, or says what to configure.

use super::{World, ping, sign_in, token, token_file};
use afield_mcp::login::{Beforehand, LoginError, Resource, Verdict};
use afield_testkit::oauth::Behaviour;
use serde_json::json;
use std::time::Duration;

const PROTECTED: &str = "/.well-known/oauth-protected-resource/mcp";
const SERVER: &str = "/.well-known/oauth-authorization-server";

async fn with(change: impl FnOnce(&mut Behaviour, &str)) -> World {
    let world = World::start().await;
    let base = world.site.base().to_owned();
    world.site.set(|site| change(site, &base));
    world
}

/// Logs in, and uses what that brought.
async fn works(world: &World) {
    sign_in(&world.login()).await.unwrap();
    let told = ping(&world.transport(&world.authorizer()), &world.site.url()).await;
    assert!(told.starts_with("Json"), "{told}");
}

/// The error, and what it says to configure.
async fn fails(world: &World) -> (LoginError, String) {
    let error = sign_in(&world.login()).await.unwrap_err();
    let hint = error.hint().unwrap_or_default();
    (error, hint)
}

/// Proves that a place of metadata that the challenge names in vain is not the only one looked at (case 172).
#[tokio::test]
async fn login_goes_on_where_the_named_metadata_is_not_there() {
    for status in [404, 500, 502, 401] {
        let world = with(|site, _| {
            site.place = Some("/gone".into());
            site.instead.insert("/gone".into(), (status, None, "<html>".into()));
        })
        .await;
        works(&world).await;
    }
}

/// Proves that, where the metadata is nowhere, the error names the place that the server named, and that the authorization
/// server can be configured, which then is enough (case 172).
#[tokio::test]
async fn login_names_the_issuer_to_configure_where_metadata_is_nowhere() {
    let world = with(|site, _| {
        site.place = Some("/gone".into());
        site.instead.insert(PROTECTED.into(), (404, None, String::new()));
        site.instead.insert(SERVER.into(), (404, None, String::new()));
    })
    .await;
    let (error, hint) = fails(&world).await;
    assert!(error.to_string().contains("/gone") && error.to_string().contains("404"), "{error}");
    assert!(hint.contains("`issuer = \"URL\"`"), "{hint}");
    world.site.set(|site| drop(site.instead.remove(SERVER)));
    let issuer = Some(world.site.base().to_owned());
    let login = world.login().with_beforehand(Beforehand { issuer, ..Beforehand::default() });
    sign_in(&login).await.unwrap();
}

/// Proves that a challenge which comes only for what is posted is found (case 172).
#[tokio::test]
async fn login_finds_a_challenge_that_comes_only_on_post() {
    let world = with(|site, base| {
        site.posts_only = true;
        site.place = Some("/odd/place".into());
        site.instead.insert(PROTECTED.into(), (404, None, String::new()));
        let body = json!({"resource": format!("{base}/mcp"), "authorization_servers": [base]});
        site.instead.insert("/odd/place".into(), (200, None, body.to_string()));
    })
    .await;
    works(&world).await;
    assert_eq!(world.site.count("/odd/place", None), 1);
}

/// Proves that a well-known place which leads elsewhere or is broken is passed over for the next (case 172).
#[tokio::test]
async fn login_passes_over_well_known_places_that_lead_away_or_are_broken() {
    for broken in [(302, Some("http://127.0.0.1:9/x".to_owned())), (502, None)] {
        let world = with(|site, base| {
            let (status, to) = broken.clone();
            site.instead.insert(PROTECTED.into(), (status, to.clone(), String::new()));
            let body = json!({"resource": base, "authorization_servers": [format!("{base}/tenant")]});
            let whole = "/.well-known/oauth-protected-resource";
            site.instead.insert(whole.into(), (200, None, body.to_string()));
            site.place = Some(PROTECTED.into());
            // The same at the authorization server: the second place of three.
            let oauth = "/.well-known/oauth-authorization-server/tenant";
            site.instead.insert(oauth.into(), (status, to, String::new()));
            let metadata = json!({
                "issuer": format!("{base}/tenant"),
                "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/token"),
                "registration_endpoint": format!("{base}/register"),
            });
            let openid = "/.well-known/openid-configuration/tenant";
            site.instead.insert(openid.into(), (200, None, metadata.to_string()));
            site.refuses_resource = false;
        })
        .await;
        let resource = Resource::Named(world.site.url());
        let login = world.login().with_beforehand(Beforehand { resource, ..Beforehand::default() });
        let error = sign_in(&login).await.err().map(|error| error.to_string());
        // This site says that all answers are its own.
        assert!(error.is_none_or(|error| error.contains("the answer is")), "{broken:?}");
        assert_eq!(world.site.count("/authorize", None), 1, "{broken:?}");
    }
}

/// Proves that members which are `null`, and times of secrets written in any way, are as if they were not there (case 172).
#[tokio::test]
async fn login_takes_null_members_and_odd_times_of_secrets() {
    let odd =
        [json!(null), json!("0"), json!(0.0), json!(-1), json!("never"), json!(4_102_444_800_u64), json!({})];
    for expires in odd {
        let world = with(|site, base| {
            let body = json!({
                "resource": format!("{base}/mcp"), "authorization_servers": null,
                "scopes_supported": null, "resource_name": null,
            });
            site.instead.insert(PROTECTED.into(), (200, None, body.to_string()));
            site.metadata = json!({
                "scopes_supported": null, "response_types_supported": null, "jwks_uri": null,
                "authorization_response_iss_parameter_supported": null,
                "client_id_metadata_document_supported": null,
            });
            site.methods = vec!["client_secret_post"];
            site.registration =
                json!({"client_secret_expires_at": expires, "client_uri": null, "contacts": null});
            site.token = json!({"expires_in": null, "scope": null, "id_token": null});
        })
        .await;
        works(&world).await;
    }
}

/// Proves that metadata which does not say what it is about is taken where the resource is configured, and that else the
/// error says what to configure (case 172).
#[tokio::test]
async fn login_takes_metadata_without_resource_where_one_is_configured() {
    let world = with(|site, base| {
        let body = json!({"authorization_servers": [base], "scopes_supported": ["read"]});
        site.instead.insert(PROTECTED.into(), (200, None, body.to_string()));
    })
    .await;
    let (error, hint) = fails(&world).await;
    assert!(error.to_string().contains("`resource`"), "{error}");
    let wanted = format!("`resource = {:?}`", world.site.url());
    assert!(hint.contains(&wanted), "{hint}");
    let resource = Resource::Named(world.site.url());
    let login = world.login().with_beforehand(Beforehand { resource, ..Beforehand::default() });
    sign_in(&login).await.unwrap();
}

/// Proves that of an authorization server which refuses to be told what a token is for, the error says so, and that without
/// it login and renewal work (case 172).
#[tokio::test]
async fn login_without_resource_where_it_is_refused() {
    let world = with(|site, _| (site.refuses_resource, site.first_lasts) = (true, 0)).await;
    let (error, hint) = fails(&world).await;
    assert_eq!(error.code(), Some("invalid_target"));
    assert!(hint.contains("`resource = false`"), "{hint}");
    let beforehand = Beforehand { resource: Resource::Omitted, ..Beforehand::default() };
    sign_in(&world.login().with_beforehand(beforehand)).await.unwrap();
    assert!(world.site.is_good(&world.bearer().await));
    assert_eq!(world.site.refreshes(), 1);
}

/// Proves that a slash at the end of an issuer's path, on either side, is no other issuer, and that another issuer's name is
/// told as what to configure (case 172).
#[tokio::test]
async fn login_at_an_issuer_with_a_slash_more_or_less() {
    for (named, own) in [("/tenant", "/tenant/"), ("/tenant/", "/tenant"), ("", "/"), ("/", "")] {
        let world = with(|site, base| {
            let body = json!({"resource": format!("{base}/mcp"), "authorization_servers": [format!("{base}{named}")]});
            site.instead.insert(PROTECTED.into(), (200, None, body.to_string()));
            let metadata = json!({
                "issuer": format!("{base}{own}"),
                "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/token"),
                "registration_endpoint": format!("{base}/register"),
            });
            let at = format!("{SERVER}{}", named.trim_end_matches('/'));
            site.instead.insert(at, (200, None, metadata.to_string()));
        })
        .await;
        let error = sign_in(&world.login()).await.err().map(|error| error.to_string());
        assert!(
            error.as_ref().is_none_or(|error| error.contains("the answer is")),
            "{named} {own}: {error:?}"
        );
        assert_eq!(world.site.count("/authorize", None), 1, "{named} {own}");
    }
    let world = with(|site, _| site.metadata = json!({"issuer": "http://127.0.0.1:9/other"})).await;
    let (_, hint) = fails(&world).await;
    assert!(hint.contains("`issuer = \"http://127.0.0.1:9/other\"`"), "{hint}");
}

/// Proves that a token of eight seconds is used for most of them, and that one which the server counts otherwise is renewed
/// again (case 172).
#[tokio::test]
async fn token_of_eight_seconds_is_used_and_renewed() {
    let world = with(|site, _| (site.first_lasts, site.renewed_lasts) = (8, 8)).await;
    world.logged_in().await;
    let authorizer = world.authorizer();
    let first = token(&authorizer).await;
    assert_eq!(token(&authorizer).await, first);
    assert_eq!(world.site.refreshes(), 0);
    for round in 1..=2 {
        world.site.expire();
        if round == 2 {
            // Half of its life is over, and it was fetched because another one was refused.
            tokio::time::sleep(Duration::from_millis(4_100)).await;
        }
        let transport = world.transport(&authorizer);
        assert!(ping(&transport, &world.site.url()).await.starts_with("Json"), "{round}");
        assert_eq!(world.site.refreshes(), round);
    }
}

/// Proves that a token which is good serves to its end though renewing it ahead of time is refused for good, that nobody
/// asks again and again, and that then a login is wanted (case 172).
#[tokio::test]
async fn good_token_serves_to_its_end_whatever_comes_of_renewing_it() {
    for (refusal, asked) in [((400, "invalid_grant"), 1), ((503, "temporarily_unavailable"), 2)] {
        let world = with(|site, _| site.refuses = Some(refusal)).await;
        world.logged_in().await;
        // As if it had been given out almost an hour ago: 40 s are left of it.
        let file = token_file(&world.tokens());
        let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let stored = &mut record["plain"];
        stored["received_at"] = (stored["received_at"].as_u64().unwrap() - 3_560).into();
        let good = stored["access_token"].as_str().unwrap().to_owned();
        std::fs::write(&file, record.to_string()).unwrap();
        let authorizer = world.authorizer();
        for _ in 0..5 {
            assert_eq!(token(&authorizer).await, good, "{refusal:?}");
        }
        assert_eq!(token(&world.authorizer()).await, good, "{refusal:?}");
        assert!(ping(&world.transport(&authorizer), &world.site.url()).await.starts_with("Json"));
        assert_eq!(world.site.refreshes(), asked, "{refusal:?}");
        // When the server refuses it, it is not good.
        world.site.expire();
        let sent = authorizer.bearer().await.unwrap();
        let verdict = authorizer.refused(sent.as_ref(), None).await;
        assert!(matches!(&verdict, Ok(Verdict::GiveUp(_)) | Err(_)), "{verdict:?}");
    }
}
