//! Credentials that end, who is told of it, and listeners other than plain TCP.

use crate::support::{Base, Running, get, kind, stream};
use afield_executor::{Audit, AuditEvent, Config, Executor, Listen, StartError};
use afield_testkit::{
    Origin, Upgrade,
    origin::Outcome,
    peer::{End, Peer},
    tls::Ca,
    within,
};
use afield_transport::{
    Authenticate, Authorization, Credentials, Grant, NoAuthentication, Principal, ServerTls, TokenDigest,
    Tokens, Unauthorized,
};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tokio::{io::AsyncReadExt, net::TcpStream, sync::mpsc};

/// Passes on every event, in words.
struct Told(Mutex<mpsc::UnboundedSender<String>>);

fn audit() -> (Arc<Told>, mpsc::UnboundedReceiver<String>) {
    let (sender, told) = mpsc::unbounded_channel();
    (Arc::new(Told(Mutex::new(sender))), told)
}

impl Audit for Told {
    fn record(&self, event: &AuditEvent<'_>) {
        let line = match event {
            AuditEvent::Refused { reason, status, .. } => {
                format!("refused {reason} {}", status.unwrap_or_default())
            }
            AuditEvent::Admitted { principal, .. } => format!("admitted {}", principal.name()),
            AuditEvent::Ended { principal, reason, .. } => format!("ended {} {reason}", principal.name()),
            AuditEvent::Reloaded { what, error } => format!("reloaded {what} {}", error.is_none()),
            // Of the executor, not of who comes in.
            AuditEvent::Started { .. } | AuditEvent::Stopped => return,
            other => format!("{other:?}"),
        };
        let _ = self.0.lock().unwrap().send(line);
    }
}

async fn next(told: &mut mpsc::UnboundedReceiver<String>) -> String {
    within("the audit is told", told.recv()).await.unwrap()
}

fn line(name: &str) -> String {
    format!("{name} {}\n", TokenDigest::of(name).hex())
}

async fn session(peer: &mut Peer) -> String {
    peer.initialize(json!({ "clientName": "test" })).await["sessionId"].as_str().unwrap().to_owned()
}

/// Proves that a token taken out of its file, while the executor runs, ends its sessions through to the origin's socket,
/// that nobody resumes them, and that other tokens' sessions go on.
#[tokio::test]
async fn case_081_a_revoked_token_ends_its_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    std::fs::write(&file, line("ann") + &line("bob")).unwrap();
    let tokens = Arc::new(Tokens::new(Vec::new(), Some(file.clone())).unwrap());
    let (sink, mut told) = audit();
    let executor = Running::with(|config| {
        let again = tokens.clone();
        config
            .reloader
            .watch("tokens", tokens.files(), move || again.reload().map_err(|error| error.to_string()));
        config.authentication = tokens;
        config.audit = sink;
    })
    .await;
    let origin = Origin::start().await;
    let open = async |token| Upgrade::to(executor.address).bearer(token).open().await.unwrap();
    let (mut ann, mut bob) = (open("ann").await, open("bob").await);
    assert_eq!([next(&mut told).await, next(&mut told).await], ["admitted ann", "admitted bob"]);
    let ann_s = session(&mut ann).await;
    session(&mut bob).await;
    ann.open_stream(origin.url("/sse-open"), "s").await;

    std::fs::write(&file, line("bob") + "# ann\n").unwrap();
    assert_eq!(next(&mut told).await, "reloaded tokens true");
    assert_eq!(ann.end().await, End::Closed(4401, "credential revoked".to_owned()));
    assert_eq!(origin.request(0).await.wait_ended().await, Outcome::Abandoned);
    assert_eq!(next(&mut told).await, "ended ann revoked");
    let refused = Upgrade::to(executor.address).bearer("ann").open().await.unwrap_err();
    assert_eq!(refused.status(), Some(401));
    assert_eq!(next(&mut told).await, "refused credential_wrong 401");
    assert_eq!(bob.request(get(origin.url("/echo"))).await["result"]["status"], 200);

    // Let in again, she finds that the session is gone.
    std::fs::write(&file, line("bob") + &line("ann")).unwrap();
    assert_eq!(next(&mut told).await, "reloaded tokens true");
    let mut ann = open("ann").await;
    let resume = json!({ "clientName": "test", "resumeSessionId": ann_s });
    let answer = ann.call("initialize", resume).await;
    assert_eq!(answer["error"]["message"], format!("unknown session id {ann_s}"));
}

/// Lets everybody in for a while.
struct ForAWhile(Duration);

impl Authenticate for ForAWhile {
    fn authenticate(&self, _: &Credentials<'_>) -> Result<Grant, Unauthorized> {
        let authorization = Authorization::permanent().until(SystemTime::now() + self.0);
        Ok(Grant { principal: Principal::token("guest"), authorization })
    }

    fn mode(&self) -> String {
        "for a while".to_owned()
    }
}

/// Proves that a session ends when its credential expires, through to the origin, however busy it is.
#[tokio::test]
async fn case_081_an_expired_credential_ends_its_session() {
    let (sink, mut told) = audit();
    let executor = Running::with(|config| {
        config.authentication = Arc::new(ForAWhile(Duration::from_millis(500)));
        config.audit = sink;
    })
    .await;
    let origin = Origin::start().await;
    let mut peer = executor.connect().await;
    peer.open_stream(origin.url("/sse-open"), "s").await;
    assert_eq!(peer.end().await, End::Closed(4401, "credential expired".to_owned()));
    assert_eq!(origin.request(0).await.wait_ended().await, Outcome::Abandoned);
    assert_eq!([next(&mut told).await, next(&mut told).await], ["admitted guest", "ended guest expired"]);
}

/// Proves that every way to be refused at the door is told with its word.
#[tokio::test]
async fn every_refusal_is_told() {
    let (sink, mut told) = audit();
    let executor = Running::with(|config| {
        config.authentication = Arc::new(TokenDigest::of("canary-secret"));
        config.egress.limits.connections = 1;
        config.egress.limits.handshake = Duration::from_millis(300);
        config.audit = sink;
    })
    .await;
    let ask = || Upgrade::to(executor.address).bearer("canary-secret");
    for (upgrade, line) in [
        (ask().header("Origin", "null"), "refused origin 403"),
        (ask().replace("Host", "evil.test"), "refused host 403"),
        (ask().path("/x"), "refused path 404"),
        (ask().without("Authorization"), "refused credential_missing 401"),
        (ask().replace("Authorization", "Bearer canary"), "refused credential_wrong 401"),
        (ask().raw("nonsense\r\n\r\n"), "refused not_http 0"),
    ] {
        assert!(upgrade.open().await.is_err());
        assert_eq!(next(&mut told).await, line);
    }
    assert_eq!(executor.readyz().await, 200, "a probe is no refusal");
    let silent = TcpStream::connect(executor.address).await.unwrap();
    assert_eq!(next(&mut told).await, "refused timeout 0");
    drop(silent);
    let mut open = ask().open().await.unwrap();
    open.initialize(json!({ "clientName": "test" })).await;
    assert_eq!(next(&mut told).await, "admitted token");
    assert_eq!(ask().open().await.unwrap_err().status(), Some(503));
    assert_eq!(next(&mut told).await, "refused too_many_connections 503");
    open.close(1000, "").await;
    assert_eq!(next(&mut told).await, "ended token closed");
}

/// A TLS side of this authority, its files in this directory.
fn tls(ca: &Ca, directory: &Path) -> Arc<ServerTls> {
    let (certificate, key) = ca.issue(&["127.0.0.1"]).write_to(directory).unwrap();
    Arc::new(ServerTls::new(certificate, key, None).unwrap())
}

/// Proves that requests are performed over TLS, and that the executor says where it is reached.
#[tokio::test]
async fn requests_are_performed_over_tls() {
    let (ca, directory) = (Ca::new(), tempfile::tempdir().unwrap());
    let executor = Running::with(|config| config.tls = Some(tls(&ca, directory.path()))).await;
    let origin = Origin::start().await;
    let upgrade = Upgrade::to(executor.address).tls(ca.client_config(["http/1.1"]), "127.0.0.1");
    let mut peer = upgrade.open().await.unwrap();
    peer.initialize(json!({ "clientName": "test" })).await;
    assert_eq!(peer.request(get(origin.url("/echo"))).await["result"]["status"], 200);
    let own = peer.request(get(format!("https://{}/readyz", executor.address))).await;
    assert_eq!(kind(&own), "policy_denied", "its own listener stays its own: {own}");
    assert_eq!(executor.url, format!("wss://{}", executor.address));
}

/// Proves what an address that others can reach needs: authentication always, and TLS, its own or in front.
#[tokio::test]
async fn case_082_others_may_reach_it_with_authentication_and_tls() {
    let (ca, directory) = (Ca::new(), tempfile::tempdir().unwrap());
    let tls = tls(&ca, directory.path());
    for (token, with_tls, in_front, lacks) in [
        (false, false, false, Some("neither authentication nor TLS")),
        (false, true, false, Some("no authentication")),
        (false, false, true, Some("no authentication")),
        (true, false, false, Some("no TLS")),
        (true, true, false, None),
        (true, false, true, None),
    ] {
        let config = Config {
            listen: Listen::Ws("0.0.0.0:0".parse().unwrap()),
            authentication: if token { Arc::new(TokenDigest::of("t")) } else { Arc::new(NoAuthentication) },
            tls: with_tls.then(|| tls.clone()),
            tls_terminated_in_front: in_front,
            ..Config::default()
        };
        let lacked = match Executor::bind(config).await {
            Ok(_) => None,
            Err(StartError::Exposed { lacks, .. }) => Some(lacks),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(lacked, lacks);
    }
}

/// Proves that an executor on a Unix socket serves, names its peers by their user, and takes the socket away when it stops.
#[tokio::test]
async fn a_unix_socket_serves_and_goes_with_its_executor() {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("executor.sock");
    let (sink, mut told) = audit();
    let config = Config { listen: Listen::Unix(path.clone()), audit: sink, ..Config::default() };
    let executor = Executor::bind(config).await.unwrap();
    assert_eq!(executor.url().unwrap(), format!("unix:{}", path.display()));
    assert_eq!(executor.local_addr(), None);
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(executor.run(stop.clone()));
    let origin = Origin::start().await;
    let remote =
        afield_client::Remote::connect(afield_client::RemoteConfig::new(format!("unix:{}", path.display())))
            .await
            .unwrap();
    assert_eq!(next(&mut told).await, format!("admitted uid:{}", rustix::process::geteuid().as_raw()));
    let request = afield_exchange::Request::get(origin.url("/echo"));
    let answer = afield_client::HttpClient::call(&remote, request).await.unwrap();
    assert_eq!(answer.head.status, 200);
    let taken = Config { listen: Listen::Unix(path.clone()), ..Config::default() };
    assert!(matches!(Executor::bind(taken).await, Err(StartError::BindUnix { .. })));
    stop.cancel();
    within("it stops", running).await.unwrap();
    assert!(!path.exists());
}

/// Proves that whoever says who it is gets in while 500 connections that say nothing, or say it slowly, stand in the way.
#[tokio::test]
async fn case_083_a_flood_of_silent_connections_keeps_nobody_out() {
    let executor = Running::start().await;
    let origin = Origin::start().await;
    let mut silent = Vec::new();
    for at in 0..500 {
        let socket = TcpStream::connect(executor.address).await.unwrap();
        if at % 2 == 0 {
            let _ = socket.try_write(b"GET / HTTP/1.1\r\nX-Slow: ");
        }
        silent.push(socket);
        if at % 100 == 99 {
            let mut honest = executor.connect().await;
            assert_eq!(honest.request(get(origin.url("/echo"))).await["result"]["status"], 200);
        }
    }
    let mut first = silent.swap_remove(0);
    let mut rest = Vec::new();
    within("the oldest is closed", first.read_to_end(&mut rest)).await.ok();
    assert!(rest.is_empty());
    let mut honest = executor.connect().await;
    honest.request(stream(origin.url("/bytes/3"), "s")).await;
}
