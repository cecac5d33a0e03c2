use super::{World, ping, token, token_file};
use afield_mcp::login::{AuthorizeError, LoginState, Verdict};
use std::fs;
use tokio::task::JoinSet;

/// A world whose first token has ended already, so that whoever wants one has to renew it.
async fn ended() -> World {
    let world = World::start().await;
    world.site.set(|site| site.first_lasts = 0);
    world.logged_in().await;
    world
}

/// Proves that a hundred who ask at once get one token by one renewal.
#[tokio::test]
async fn a_hundred_callers_renew_once() {
    let world = ended().await;
    let authorizer = world.authorizer();
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let authorizer = authorizer.clone();
        callers.spawn(async move { token(&authorizer).await });
    }
    let tokens = callers.join_all().await;
    assert!(tokens.iter().all(|token| *token == tokens[0] && world.site.is_good(token)));
    assert_eq!(world.site.refreshes(), 1);
}

/// Proves that a hundred requests refused for one token renew it once, and all succeed.
#[tokio::test]
async fn a_token_refused_a_hundred_times_is_renewed_once() {
    let world = World::start().await;
    world.logged_in().await;
    let authorizer = world.authorizer();
    token(&authorizer).await;
    world.site.expire();
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let (transport, url) = (world.transport(&authorizer), world.site.url());
        callers.spawn(async move { ping(&transport, &url).await });
    }
    for told in callers.join_all().await {
        assert!(told.starts_with("Json"), "{told}");
    }
    assert_eq!(world.site.refreshes(), 1);
}

/// Proves that refresh tokens rotate through many renewals and many authorizers without one being used twice or lost.
#[tokio::test]
async fn no_refresh_token_is_used_twice() {
    let world = ended().await;
    world.site.set(|site| site.renewed_lasts = 0);
    let long = world.authorizer();
    for round in 1..=6 {
        // An ended token is renewed for whoever asks; both see what the other one left.
        let authorizer = if round % 2 == 0 { world.authorizer() } else { long.clone() };
        assert!(world.site.is_good(&token(&authorizer).await));
        assert_eq!((world.site.refreshes(), world.site.revoked()), (round, 0));
    }
}

/// Proves that an answer without a refresh token keeps the one there is.
#[tokio::test]
async fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let world = ended().await;
    world.site.set(|site| (site.rotates, site.renewed_lasts) = (false, 0));
    for round in 1..=3 {
        assert!(world.site.is_good(&world.bearer().await));
        assert_eq!(world.site.refreshes(), round);
    }
}

/// Proves that a renewal whose caller left goes on, and that its refresh token is on the disk when the program ends.
#[tokio::test]
async fn a_caller_that_leaves_loses_no_token() {
    let world = ended().await;
    let (spent, mut seen) = tokio::sync::mpsc::unbounded_channel();
    world.site.set(|site| site.spent = Some(Box::new(move || spent.send(()).unwrap())));
    let authorizer = world.authorizer();
    tokio::select! {
        biased;
        _ = authorizer.bearer() => panic!("the caller is to leave first"),
        _ = seen.recv() => {}
    }
    authorizer.settle().await;
    world.site.set(|site| site.spent = None);
    // Another process, after this one.
    assert!(world.site.is_good(&world.bearer().await));
    assert_eq!((world.site.refreshes(), world.site.revoked()), (1, 0));
}

/// Proves that tokens which the disk does not take stay in use, that nobody else spends their predecessor meanwhile, and
/// that they are stored when the disk takes them.
#[tokio::test]
async fn tokens_that_cannot_be_stored_are_kept_and_stored_later() {
    let world = ended().await;
    let file = token_file(&world.tokens());
    let aside = world.folder.path().join("aside");
    let (target, moved) = (file.clone(), aside.clone());
    world.site.set(|site| {
        site.spent = Some(Box::new(move || {
            fs::rename(&target, &moved).unwrap();
            fs::create_dir(&target).unwrap();
        }));
    });
    let authorizer = world.authorizer();
    let kept = token(&authorizer).await;
    assert!(world.site.is_good(&kept));
    world.site.set(|site| site.spent = None);
    // What is on the disk is what was there before: spent.
    fs::remove_dir(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    let other = world.authorizer();
    let waiting = other.bearer();
    tokio::pin!(waiting);
    tokio::select! {
        biased;
        early = &mut waiting => panic!("it is kept from the spent token, and got {early:?}"),
        () = authorizer.settle() => {}
    }
    assert_eq!(waiting.await.unwrap().unwrap().token().expose(), kept);
    assert_eq!((world.site.refreshes(), world.site.revoked()), (1, 0));
}

/// Proves that no refresh token is spent as long as its successor could not be stored.
#[tokio::test]
async fn no_refresh_token_is_spent_for_a_store_that_is_closed() {
    use std::os::unix::fs::PermissionsExt;
    let world = ended().await;
    let authorizer = world.authorizer();
    fs::set_permissions(world.tokens(), fs::Permissions::from_mode(0o750)).unwrap();
    let error = authorizer.bearer().await.unwrap_err();
    assert!(matches!(error, AuthorizeError::Store(_)), "{error}");
    assert!(error.to_string().contains("chmod 700"), "{error}");
    assert_eq!(world.site.refreshes(), 0);
    fs::set_permissions(world.tokens(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(world.site.is_good(&world.bearer().await));
}

/// Proves that a refused refresh token is not tried again by anybody, that nothing is deleted for it, and that a new login
/// is taken up by whoever waits for one.
#[tokio::test]
async fn a_refused_refresh_token_is_noted_and_not_tried_again() {
    let world = ended().await;
    world.site.set(|site| site.refuses = Some((400, "invalid_grant")));
    let authorizer = world.authorizer();
    for authorizer in [&authorizer, &authorizer, &world.authorizer()] {
        let error = authorizer.bearer().await.unwrap_err();
        assert!(matches!(&error, AuthorizeError::LoginNeeded(_)), "{error}");
    }
    assert_eq!(world.site.refreshes(), 1);
    let state = world.store().state(&world.server()).await.unwrap();
    assert!(matches!(&state, LoginState::Needed(why) if why.contains("invalid_grant")), "{state:?}");
    assert!(fs::read_to_string(token_file(&world.tokens())).unwrap().contains("canary-refresh"));
    assert!(ping(&world.transport(&authorizer), &world.site.url()).await.starts_with("AuthRequired"));
    world.site.set(|site| (site.refuses, site.first_lasts) = (None, 3600));
    world.logged_in().await;
    assert!(world.site.is_good(&token(&authorizer).await));
}

/// Proves that a failure which may pass costs no login: the refresh token is tried again, and serves.
#[tokio::test]
async fn a_failure_that_may_pass_costs_no_login() {
    let world = ended().await;
    for (status, error) in [(503, "temporarily_unavailable"), (500, "server_error"), (429, "slow_down")] {
        world.site.set(|site| site.refuses = Some((status, error)));
        let told = world.authorizer().bearer().await.unwrap_err();
        assert!(matches!(&told, AuthorizeError::Failed(cause) if cause.is_temporary()), "{told}");
    }
    world.site.set(|site| site.refuses = None);
    assert!(world.site.is_good(&world.bearer().await));
}

/// Proves that a server which refuses every token is not answered with ever new ones.
#[tokio::test]
async fn a_server_that_refuses_every_token_is_given_one_new_one() {
    let world = World::start().await;
    world.logged_in().await;
    world.site.set(|site| site.refuses_all = true);
    let authorizer = world.authorizer();
    for _ in 0..5 {
        assert!(ping(&world.transport(&authorizer), &world.site.url()).await.starts_with("AuthRequired"));
    }
    assert_eq!(world.site.refreshes(), 1);
    let bearer = authorizer.bearer().await.unwrap().unwrap();
    let verdict = authorizer.refused(Some(&bearer), None).await.unwrap();
    assert!(matches!(&verdict, Verdict::GiveUp(needed) if needed.reason.contains("fresh")), "{verdict:?}");
}

/// Proves that a token goes to its server's origin alone, and never in place of what the caller says himself.
#[tokio::test]
async fn a_token_goes_to_its_server_alone() {
    let (world, other) = (World::start().await, World::start().await);
    world.logged_in().await;
    let authorizer = world.authorizer();
    let transport = world.transport(&authorizer);
    assert!(ping(&transport, &other.site.url()).await.starts_with("AuthRequired"));
    assert_eq!(other.site.authorizations(), [None]);
    let own = transport.with_headers(vec![afield_exchange::Header::new("Authorization", "own")]).unwrap();
    ping(&own, &world.site.url()).await;
    assert_eq!(world.site.authorizations().last().unwrap().as_deref(), Some("own"));
}
