use super::{World, person::Person, ping};
use afield_mcp::login::{ClientSettings, logout};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Proves (case 118) that no token, code, state or secret is in what is logged, told or shown, from a login to a logout,
/// refusals included, at the finest level of logging.
#[tokio::test]
async fn case_118_nothing_secret_is_logged_or_told() {
    let log = Captured::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // Another test of this process may have been first; what this one logs on its own thread counts as well.
    let _guard = tracing::subscriber::set_default(subscriber);

    let world = World::start().await;
    world.site.set(|site| (site.methods, site.first_lasts) = (vec!["client_secret_post"], 0));
    let told = Mutex::new(Vec::new());
    let login = world.login();
    let got = login.in_browser(&Person::default(), &|line| told.lock().unwrap().push(line.to_owned())).await;
    let authorizer = world.authorizer();
    let bearer = authorizer.bearer().await;
    let transport = world.transport(&authorizer);
    world.site.set(|site| site.wants_scope = Some("write"));
    ping(&transport, &world.site.url()).await;
    world.site.expire();
    world.site.set(|site| site.refuses = Some((400, "invalid_grant")));
    ping(&transport, &world.site.url()).await;
    let refused = authorizer.refused(bearer.as_ref().unwrap().as_ref(), None).await;
    let out = logout(&*world.http, &world.server(), &world.store(), &ClientSettings::default()).await;
    authorizer.settle().await;

    let told =
        format!("{told:?} {login:?} {got:?} {authorizer:?} {bearer:?} {transport:?} {refused:?} {out:?}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("token renewed"), "the log is captured: {log}");
    for (what, text) in [("told", told), ("logged", log)] {
        assert!(!text.contains("canary"), "{what}: {text}");
    }
}
