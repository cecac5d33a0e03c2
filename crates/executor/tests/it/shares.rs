//! What principals share, and who is who.

use crate::support::{Base, Running, get, kind, post, stream};
use afield_egress::{Attachment, Policy, Preset, Rule, Secret, SecretSource, Secrets};
use afield_testkit::{Origin, Peer, RawOrigin, Script, Upgrade, origin::Outcome, within};
use afield_transport::{Authenticate, Credentials, Grant, Principal, PrincipalKind, Unauthorized};
use serde_json::{Value, json};
use std::sync::Arc;

/// Believes every token that says who it is: `jwt:ci`, `token:ci`, …
struct Anybody;

impl Authenticate for Anybody {
    fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Grant, Unauthorized> {
        let (kind, name) =
            credentials.bearer.and_then(|it| it.split_once(':')).ok_or(Unauthorized::Missing)?;
        let kind = PrincipalKind::NAMED.into_iter().find(|known| known.as_str() == kind);
        Ok(match kind {
            Some(kind) => Principal::new(kind, name),
            None => Principal::user(name.parse().map_err(|_| Unauthorized::Wrong)?),
        }
        .into())
    }

    fn mode(&self) -> String {
        "anybody".to_owned()
    }
}

async fn open(executor: &Running, who: &str) -> Peer {
    Upgrade::to(executor.address).bearer(who).open().await.unwrap()
}

async fn begin(executor: &Running, who: &str) -> (Peer, String) {
    let mut peer = open(executor, who).await;
    let begun = peer.initialize(json!({ "clientName": "test" })).await;
    let session = begun["sessionId"].as_str().unwrap().to_owned();
    (peer, session)
}

/// Proves that principals of one name and different kinds get neither each other's sessions nor each other's rules
/// (case 145).
#[tokio::test]
async fn case_145_equal_names_share_neither_sessions_nor_rules() {
    let origin = Origin::start().await;
    let executor = Running::with(|config| {
        config.authentication = Arc::new(Anybody);
        let closed = Rule::deny().principals(["jwt:7"]).unwrap();
        config.egress.policy = Policy::new(Preset::Standard, [closed]);
    })
    .await;
    let all = ["token:7", "jwt:7", "cert:7", "uid:7"];
    for who in all {
        let (mut peer, session) = begin(&executor, who).await;
        let answer = peer.request(get(origin.url("/echo"))).await;
        let denied = answer["error"]["data"]["kind"] == "policy_denied";
        assert_eq!(denied, who == "jwt:7", "{who}: {answer}");
        peer.close(1000, "").await;
        let resume = json!({ "clientName": "test", "resumeSessionId": session });
        for other in all.into_iter().filter(|other| *other != who) {
            let answer = open(&executor, other).await.call("initialize", resume.clone()).await;
            assert_eq!(answer["error"]["message"], format!("unknown session id {session}"), "{who} {other}");
        }
        assert_eq!(open(&executor, who).await.initialize(resume).await["sessionId"], session, "{who}");
    }
}

/// Proves that principals of one name and different kinds get none of each other's secrets, neither attached nor named, and that
/// the one whose it is gets it (case 145).
#[tokio::test]
async fn case_145_equal_names_share_no_secrets() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "held-value").unwrap();
    let all = ["token:7", "jwt:7", "cert:7", "uid:7"];
    for owner in all {
        let origin = Origin::start().await;
        let executor = Running::with(|config| {
            config.authentication = Arc::new(Anybody);
            let source = SecretSource::File(file.path().to_owned());
            let secret = Secret::new("held", source, ["127.0.0.1"]).unwrap().allow_plain_http();
            let secret = secret.headers(["x-held", "x-named"]).unwrap().principals([owner]);
            let attached = Attachment::new("held", "x-held").unwrap();
            config.egress.secrets = Secrets::new([secret], [attached]).unwrap();
        })
        .await;
        for who in all {
            let (mut peer, _) = begin(&executor, who).await;
            peer.request(get(origin.url("/echo"))).await;
            let sent = origin.requests().pop().unwrap().header("x-held");
            assert_eq!(sent.as_deref(), (who == owner).then_some("held-value"), "{who}, of {owner}");
            let mut named = get(origin.url("/echo"));
            named["headers"] = json!([{ "name": "x-named", "value": "", "valueSecret": "held" }]);
            let answer = peer.request(named).await;
            assert_eq!(answer["error"].is_null(), who == owner, "{who}, of {owner}: {answer}");
        }
    }
}

/// Proves that sessions that one principal has left behind make room for its own new ones, and for nobody else's, and are
/// no place of another (case 140).
#[tokio::test]
async fn case_140_sessions_left_behind_are_no_place_of_another() {
    let executor = Running::with(|config| {
        config.authentication = Arc::new(Anybody);
        (config.egress.limits.sessions, config.egress.limits.shares) = (8, 2);
    })
    .await;
    let mut left = Vec::new();
    for _ in 0..6 {
        let (peer, session) = begin(&executor, "token:greedy").await;
        peer.close(1000, "").await;
        left.push(session);
    }
    let others = [begin(&executor, "token:other").await, begin(&executor, "token:other").await];
    let mut third = open(&executor, "token:other").await;
    let refused = third.call("initialize", json!({ "clientName": "test" })).await;
    assert_eq!((kind(&refused), &refused["error"]["data"]["retry"]), ("overloaded", &json!("safe")));
    let (seventh, _) = begin(&executor, "token:greedy").await;
    let resume = |session: &str| json!({ "clientName": "test", "resumeSessionId": session });
    let gone = open(&executor, "token:greedy").await.call("initialize", resume(&left[0])).await;
    assert!(gone["error"]["message"].as_str().unwrap().starts_with("unknown session id"), "{gone}");
    let kept = open(&executor, "token:greedy").await.initialize(resume(&left[1])).await;
    assert_eq!(kept["sessionId"], left[1]);
    drop((others, seventh));
}

/// Proves that a request body that came in a message counts for as long as it is kept, that one too many is refused safe to
/// be tried again, and that there is room again when the request has ended (case 138).
#[tokio::test]
async fn case_138_bodies_of_requests_are_counted_while_they_are_kept() {
    let origin = RawOrigin::always(Script::new().expect_head().deaf().hang()).await;
    let executor = Running::limited(|limits| limits.kept_bytes = 16 << 20).await;
    let mut peer = executor.connect().await;
    let url = origin.url("/");
    let upload = |name: &str| {
        let mut params = post(url.as_str(), &vec![7; 9 << 20]);
        (params["requestId"], params["streamResponse"]) = (json!(name), json!(true));
        params
    };
    peer.start("http/request", upload("first")).await;
    let refused = peer.request(upload("second")).await;
    assert_eq!(
        (kind(&refused), &refused["error"]["data"]["retry"]),
        ("overloaded", &json!("safe")),
        "{refused}"
    );
    assert_eq!(refused["error"]["data"]["detail"], "memory");
    drop(origin);
    within("there is room again", async {
        while kind(&peer.request(upload("third")).await) == "overloaded" {}
    })
    .await;
}

/// Proves that a whole answer for which there is no room ends its exchange, and that what had been taken is given back
/// (case 138).
#[tokio::test]
async fn case_138_whole_answers_are_counted_while_they_come() {
    let origin = Origin::start().await;
    let executor = Running::limited(|limits| limits.kept_bytes = 4 << 20).await;
    let mut peer = executor.connect().await;
    for _ in 0..3 {
        let answer = peer.request(get(origin.url("/bytes/41943040"))).await;
        assert_eq!((kind(&answer), &answer["error"]["data"]["retry"]), ("overloaded", &json!("unknown")));
        let index = origin.requests().len() - 1;
        assert_eq!(origin.request(index).await.wait_ended().await, Outcome::Abandoned);
        let answer = peer.request(get(origin.url("/bytes/1048576"))).await;
        assert_eq!(answer["result"]["status"], 200);
    }
}

/// Proves that a body that is streamed waits for room that others of its principal have, and goes on when they give it back
/// (case 138).
#[tokio::test]
async fn case_138_a_streamed_body_waits_for_room() {
    let origin = Origin::start().await;
    let executor = Running::limited(|limits| {
        limits.kept_bytes = 2 << 20;
        limits.queued_bytes = 64 << 20;
        limits.body_message_bytes = 256 << 10;
    })
    .await;
    let mut peer = executor.connect().await;
    for at in 0..4 {
        peer.start("http/request", stream(origin.url("/bytes/1048576"), &format!("s{at}"))).await;
    }
    for at in 0..4 {
        let (bytes, error) = peer.rest(&format!("s{at}"), 1).await;
        assert_eq!((bytes.len(), error), (1 << 20, None));
    }
}

/// Proves that the audit says of which kind a principal is.
#[tokio::test]
async fn case_145_a_principal_is_shown_with_its_kind() {
    let shown: Vec<Value> =
        [Principal::token("ci"), Principal::new(PrincipalKind::Jwt, "ci"), Principal::user(7)]
            .iter()
            .map(|principal| json!([principal.to_string(), principal.name(), principal.kind().as_str()]))
            .collect();
    assert_eq!(
        json!(shown),
        json!([["token:ci", "ci", "token"], ["jwt:ci", "ci", "jwt"], ["uid:7", "uid:7", "uid"]])
    );
}
