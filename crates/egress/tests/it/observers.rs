//! What an observer is told of each hop.

use crate::support::{World, public_only, streamed};
use afield_egress::{
    Attachment, HopOutcome, HopReport, Observer, Policy, Preset, Rule, Scheme, Secret, SecretSource, Secrets,
};
use afield_exchange::{Kind, Request, RequestBody};
use afield_testkit::dead::Refusing;
use afield_testkit::origin::Outcome;
use afield_testkit::{Origin, within};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Default)]
struct Seen(Mutex<Vec<HopReport>>);

impl Observer for Seen {
    fn finished(&self, hop: HopReport) {
        self.0.lock().unwrap().push(hop);
    }
}

impl Seen {
    fn take(&self) -> Vec<HopReport> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn watched(policy: Policy) -> (World, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let mut world = World::under(policy);
    world.egress = world.egress.observed(Arc::clone(&seen) as Arc<dyn Observer>);
    (world, seen)
}

/// Proves that each hop is reported once it has ended, with where it went, by which rule, what came of it, and how many bytes
/// went each way; over a pooled connection too, and to a denied place.
#[tokio::test]
async fn every_hop_is_reported_with_its_rule_and_bytes() {
    let origin = Origin::on("127.1.0.1").await;
    let named = Rule::allow().host("open.test").unwrap().named("open-ones").unwrap();
    let (preset, mut rules) = (Preset::PublicOnly, public_only().parts().1.to_vec());
    rules.push(named);
    let (world, seen) = watched(Policy::new(preset, rules));
    world.names.host("open.test", ["127.1.0.1"]);

    let request = Request::new("POST", origin.url_as("open.test", "/redirect?code=307&to=/mirror"));
    world.call(request.body(RequestBody::Bytes("12345".into()))).await.unwrap();
    let reports = seen.take();
    assert_eq!(reports.len(), 2);
    for (index, (report, outcome)) in
        reports.iter().zip([HopOutcome::Redirected, HopOutcome::Answered]).enumerate()
    {
        assert_eq!((report.index as usize, report.outcome), (index, outcome));
        assert_eq!((report.method.as_str(), report.scheme), ("POST", Scheme::Http));
        assert_eq!((report.host.as_str(), report.port), ("open.test", origin.port()));
        assert_eq!(report.address.unwrap().to_string(), "127.1.0.1");
        assert!(
            report.rule.as_deref().is_some_and(|rule| rule.starts_with("allow") || rule == "open-ones"),
            "{report:?}"
        );
        assert_eq!(report.sent, 5);
        assert!(report.duration > Duration::ZERO);
    }
    assert_eq!((reports[0].status, reports[0].received), (Some(307), 0));
    assert_eq!((reports[1].status, reports[1].received), (Some(200), 5));

    let upload = Request::new("POST", origin.url("/upload")).body(streamed(None, ["con", "tent"]));
    world.call(upload).await.unwrap();
    let reports = seen.take();
    assert_eq!((reports.len(), reports[0].sent), (1, 7));
    assert_eq!(reports[0].rule.as_deref(), Some("allow network 127.1.0.0/16"));

    let to_denied = origin.url("/redirect?to=http://127.66.0.1/");
    assert_eq!(world.refused(to_denied).await.kind(), Kind::PolicyDenied);
    let reports = seen.take();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[1].outcome, HopOutcome::Failed(Kind::PolicyDenied));
    assert_eq!((reports[1].rule.as_deref(), reports[1].status), (Some("public-only/loopback"), None));
    assert_eq!((reports[1].host.as_str(), reports[1].address), ("127.66.0.1", None));

    assert_eq!(world.refused("http://missing.test/").await.kind(), Kind::Dns);
    let reports = seen.take();
    assert_eq!((reports[0].outcome, reports[0].rule.as_deref()), (HopOutcome::Failed(Kind::Dns), None));
    world.refused("nonsense").await;
    assert!(seen.take().is_empty(), "what is malformed is no hop");
}

/// Proves that what the caller drops is reported as cancelled, before the head as in the body, and what is over a limit as
/// failed.
#[tokio::test]
async fn what_is_dropped_is_reported_as_cancelled() {
    let origin = Origin::on("127.1.0.1").await;
    let (world, seen) = watched(public_only());
    let mut response = world.egress.send(Request::get(origin.url("/endless"))).await.unwrap();
    let first = response.body.next().await.unwrap().unwrap();
    assert!(seen.take().is_empty(), "the hop lasts as long as its body");
    drop(response);
    let reports = seen.take();
    assert_eq!((reports[0].outcome, reports[0].status), (HopOutcome::Cancelled, Some(200)));
    assert_eq!(reports[0].received, first.len() as u64);
    assert_eq!(origin.request(0).await.wait_ended().await, Outcome::Abandoned);

    let waiting = tokio::spawn({
        let (world, url) = (world.clone(), origin.url("/slow-head"));
        async move { world.get(url).await }
    });
    origin.request(1).await;
    waiting.abort();
    assert!(within("the task ends", waiting).await.unwrap_err().is_cancelled());
    let reports = seen.take();
    assert_eq!((reports[0].outcome, reports[0].status), (HopOutcome::Cancelled, None));

    let seen = Arc::new(Seen::default());
    let small = World::with(|config| config.limits.buffered_body_bytes = 1000);
    let egress = small.egress.observed(Arc::clone(&seen) as Arc<dyn Observer>);
    assert!(egress.call(Request::get(origin.url("/endless"))).await.is_err());
    assert_eq!(seen.take()[0].outcome, HopOutcome::Failed(Kind::TooLarge));
}

/// Proves that a hop is said to have taken a secret along only where something was sent: not where it was denied, nor where
/// nobody could be connected to (case 189).
#[tokio::test]
async fn case_189_secrets_are_reported_of_hops_that_were_sent() {
    let origin = Origin::on("127.1.0.1").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret").unwrap();
    let source = SecretSource::File(file.path().to_owned());
    let secret = Secret::new("held", source, ["127.1.0.1", "127.66.0.1"]).unwrap().allow_plain_http();
    let attached = Attachment::new("held", "authorization").unwrap();
    let seen = Arc::new(Seen::default());
    let mut world = World::with(|config| {
        config.policy = public_only();
        config.secrets = Secrets::new([secret], [attached]).unwrap();
    });
    world.egress = world.egress.observed(Arc::clone(&seen) as Arc<dyn Observer>);
    world.get(origin.url("/echo")).await.unwrap();
    assert_eq!(seen.take()[0].secrets, ["held"]);
    let gone = Refusing::on("127.1.0.1");
    for (url, kind) in [
        ("http://127.66.0.1/".to_owned(), Kind::PolicyDenied),
        (format!("http://{}/", gone.address()), Kind::Connect),
    ] {
        assert_eq!(world.refused(url).await.kind(), kind);
        let reports = seen.take();
        assert_eq!((reports.len(), reports[0].secrets.len()), (1, 0), "{kind:?}: {reports:?}");
    }
}
