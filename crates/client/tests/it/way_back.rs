//! The way back to a session, and to the first one, through what stands in front of executors.

use crate::support::{Running, config, lost};
use afield_client::{ConnectError, ConnectionState, HttpClient, Remote, RemoteConfig};
use afield_egress::EgressConfig;
use afield_exchange::{Blame, Kind, Limits, Request, RequestBody, Response, Retry};
use afield_executor::Config;
use afield_testkit::{
    Front, Origin, Toxic, pattern,
    toxic::{Cut, Way},
    within,
};
use afield_transport::{BearerToken, Proxy, TokenDigest};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// What is in front answers for a moment, and how often before it is well again.
const MOMENT: usize = 2;

/// A client and a body of which half has come.
async fn under_way(origin: &Origin, config: RemoteConfig) -> (Remote, Response) {
    let remote = Remote::connect(config).await.unwrap();
    let mut response = remote.stream(Request::get(origin.url("/half/1000?then=rest"))).await.unwrap();
    response.body.next().await.unwrap().unwrap();
    (remote, response)
}

/// Reads the rest.
async fn rest(origin: &Origin, mut response: Response) -> usize {
    origin.open_gate("rest");
    let mut read = 0;
    while let Some(bytes) = within("the body goes on", response.body.next()).await {
        read += bytes.unwrap().len();
    }
    read
}

async fn with_grace(grace: Duration) -> Running {
    let limits = Limits { grace, ..Limits::default() };
    Running::with_egress(EgressConfig { limits, ..EgressConfig::default() }).await
}

/// Proves that whatever stands in front of the executor answers for a moment, or that it answers nothing, the session goes
/// on as soon as it is well again (case 148).
#[tokio::test]
async fn resumption_outlasts_answers_of_what_is_in_front() {
    for status in [404, 500, 502, 503, 403, 400, 401, 407, 408, 421, 426, 429, 301, 302, 307, 200, 0, 1] {
        let (origin, executor) = tokio::join!(Origin::start(), Running::start());
        let front = Front::start([executor.address]).await;
        let (remote, response) = under_way(&origin, config(front.url())).await;
        match status {
            0 => front.answer(""),
            1 => front.answer("SSH-2.0-OpenSSH_9.9\r\n"),
            status => front.answer_page(status),
        }
        front.cut();
        front.wait_answered(MOMENT).await;
        let state = remote.watch().borrow().clone();
        if let ConnectionState::Reconnecting { failed: Some(failed), .. } = state {
            assert!(!failed.contains("canary"), "{failed}");
        }
        front.heal();
        assert_eq!(rest(&origin, response).await, 500, "{status}");
        assert_eq!(origin.received(), 1, "{status}");
    }
}

/// Proves that the executor's own refusal of the credential ends the way back at once, and its refusals of what a proxy
/// has done to the request do not (case 148).
#[tokio::test]
async fn executors_own_refusal_of_credential_is_final() {
    let origin = Origin::start().await;
    let authentication = Arc::new(TokenDigest::of("right horse battery"));
    let executor = Running::with(Config { authentication, ..Config::default() }).await;
    let front = Front::start([executor.address]).await;
    let with_token = || {
        let token = Some(BearerToken::new("right horse battery"));
        RemoteConfig { token, ..config(front.url()) }
    };
    let (remote, response) = under_way(&origin, with_token()).await;
    front.add("Host", "elsewhere.test");
    front.cut();
    let mut watch = remote.watch();
    let refused = |state: &ConnectionState| matches!(state, ConnectionState::Reconnecting { failed: Some(why), .. } if why.contains("host: elsewhere.test"));
    within("the host is refused", watch.wait_for(refused)).await.unwrap();
    front.add("X-Nothing", "changed");
    assert_eq!(rest(&origin, response).await, 500);

    let origin = Origin::start().await;
    let (_remote, mut response) = under_way(&origin, with_token()).await;
    front.add("Authorization", "Bearer wrong");
    front.cut();
    let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Unknown), "{error:?}");
    assert!(error.message().contains("refused the connection with 401"), "{error}");
}

/// Proves that a session comes back through a forward proxy that was away, answered 500 or 503, or cut the answer in the
/// middle; and that 403 and 407 are final (case 147).
#[tokio::test]
async fn resumption_outlasts_forward_proxy_that_is_away() {
    let through = |front: &Front, executor: &Running| RemoteConfig {
        proxy: Some(Proxy::parse(&format!("http://{}", front.address())).unwrap()),
        ..config(executor.url())
    };
    for answer in ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 500 No\r\n\r\n", "HTTP/1.1 2", ""] {
        let (origin, executor) = tokio::join!(Origin::start(), Running::start());
        let front = Front::start([]).await;
        let (_remote, response) = under_way(&origin, through(&front, &executor)).await;
        front.answer(answer);
        front.cut();
        front.wait_answered(MOMENT).await;
        front.heal();
        assert_eq!(rest(&origin, response).await, 500, "{answer}");
    }

    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let front = Front::start([]).await;
    let (remote, response) = under_way(&origin, through(&front, &executor)).await;
    let address = front.address();
    drop(front);
    let mut watch = remote.watch();
    let away = |state: &ConnectionState| matches!(state, ConnectionState::Reconnecting { attempts: 2.., .. });
    within("two attempts fail", watch.wait_for(away)).await.unwrap();
    let _front = Front::at(address, []).await;
    assert_eq!(rest(&origin, response).await, 500, "killed and started again");

    for (status, blame) in [(403, Blame::Network), (407, Blame::Caller)] {
        let (origin, executor) = tokio::join!(Origin::start(), Running::start());
        let front = Front::start([]).await;
        let (_remote, mut response) = under_way(&origin, through(&front, &executor)).await;
        front.answer(format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n"));
        front.cut();
        let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), Kind::SessionLost);
        assert!(error.message().contains(&format!("answered {status}")), "{error}");
        let waiting = RemoteConfig { wait: true, ..through(&front, &executor) };
        let error = within("it is refused", Remote::connect(waiting)).await.unwrap_err();
        assert_eq!(error.blame(), blame, "{error}");
    }
}

/// Proves that a first connection waits for a forward proxy that is away, and for one that answers 503 and 500 (case 147).
#[tokio::test]
async fn first_connection_waits_for_forward_proxy() {
    let executor = Running::start().await;
    let address = Front::start([]).await.address();
    let config = RemoteConfig {
        proxy: Some(Proxy::parse(&format!("http://{address}")).unwrap()),
        wait: true,
        ..config(executor.url())
    };
    let remote = Remote::new(config);
    let mut watch = remote.watch();
    let come = async {
        let away =
            |state: &ConnectionState| matches!(state, ConnectionState::Connecting { attempts: 1.., .. });
        within("an attempt fails", watch.wait_for(away)).await.unwrap();
        let front = Front::at(address, []).await;
        front.answer("HTTP/1.1 503 Service Unavailable\r\n\r\n");
        front.wait_answered(1).await;
        front.answer("HTTP/1.1 500 No\r\n\r\n");
        front.wait_answered(2).await;
        front.heal();
        front
    };
    let (connected, _front) = tokio::join!(within("they meet", remote.ready()), come);
    connected.unwrap();
}

/// Proves that a connection that is lost after TCP was accepted, at whatever byte before `initialize` is answered, is tried
/// again as a refused one is (case 151).
#[tokio::test]
async fn connection_lost_before_initialize_is_tried_again() {
    let executor = Running::start().await;
    for cut in [Cut::Close, Cut::Reset] {
        for (way, bytes) in [
            (Way::Up, 0),
            (Way::Up, 100),
            (Way::Down, 0),
            (Way::Down, 60),
            (Way::Down, 130),
            (Way::Down, 200),
        ] {
            let toxic = Toxic::start(executor.address).await;
            toxic.cut_after(way, bytes, cut);
            let waiting = RemoteConfig { wait: true, ..config(format!("ws://{}", toxic.address())) };
            let connected = within("it connects", Remote::connect(waiting)).await;
            assert!(connected.is_ok(), "{cut:?} after {bytes} {way:?}: {connected:?}");
            assert_eq!(toxic.accepted(), 2, "{cut:?} after {bytes} {way:?}");
        }
    }
}

/// Proves that uploads and downloads get through a path that cuts every connection before one usual message is through, each
/// executed once.
#[tokio::test]
async fn bodies_pass_a_path_that_cuts_every_few_kilobytes() {
    const LENGTH: usize = 100_000;
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let body = pattern::bytes(0, LENGTH);
    let upload = Request::new("POST", origin.url("/upload")).body(RequestBody::Bytes(body.clone()));
    let download = Request::get(origin.url(&format!("/bytes/{LENGTH}")));
    for (way, request) in [(Way::Up, upload), (Way::Down, download)] {
        let toxic = Toxic::start(executor.address).await;
        let remote = Remote::connect(config(format!("ws://{}", toxic.address()))).await.unwrap();
        toxic.cut_each_after(way, 10_000, Cut::Reset);
        let answer = within("the body gets through", remote.call(request)).await.unwrap();
        match way {
            Way::Up => {
                let seen: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                assert_eq!(seen["sha256"], pattern::sha256(LENGTH as u64));
            }
            Way::Down => assert!(answer.body == body),
        }
        assert!(toxic.cuts() > 8, "{way:?}: {} cuts", toxic.cuts());
    }
    assert_eq!(origin.received(), 2);
}

/// Two executors behind a balancer that leads connections to them by turns.
async fn balanced() -> (Origin, [Running; 2], Front) {
    let (origin, one, other) = tokio::join!(Origin::start(), Running::start(), Running::start());
    let front = Front::start([one.address, other.address]).await;
    (origin, [one, other], front)
}

/// Proves that behind a balancer that knows nothing of sessions every client of twelve comes back to the executor that has its
/// session, and that no request is executed twice (case 149).
#[tokio::test]
async fn sessions_are_found_behind_balancer_without_stickiness() {
    let (origin, _executors, front) = balanced().await;
    let mut under = Vec::new();
    for _ in 0..12 {
        under.push(under_way(&origin, config(front.url())).await);
    }
    front.cut();
    origin.open_gate("rest");
    let back = under.into_iter().map(|(_remote, response)| rest(&origin, response));
    let read: Vec<usize> = futures_util::future::join_all(back).await;
    assert_eq!(read, [500; 12]);
    assert_eq!(origin.received(), 12);
}

/// Proves that while a session is sought behind a balancer what begins meanwhile need not wait for it: it has a session of its
/// own with the executor that answers (case 149).
#[tokio::test]
async fn requests_begun_meanwhile_use_executor_that_answers() {
    let (origin, [one, other], front) = balanced().await;
    front.set_targets([one.address]);
    let (remote, mut response) = under_way(&origin, config(front.url())).await;
    front.set_targets([other.address]);
    front.cut();
    let mut watch = remote.watch();
    let astray = |state: &ConnectionState| matches!(state, ConnectionState::Reconnecting { failed: Some(why), .. } if why.contains("another executor"));
    within("another executor answers", watch.wait_for(astray)).await.unwrap();
    let call = remote.call(Request::get(origin.url("/status/204")));
    assert_eq!(within("the call", call).await.unwrap().head.status, 204);
    front.set_targets([one.address]);
    origin.open_gate("rest");
    assert_eq!(within("the body", response.body.next()).await.unwrap().unwrap().len(), 500);
}

/// Proves that a session that no executor has is given up when the grace is over, with what it may be (case 149).
#[tokio::test]
async fn session_that_no_executor_has_is_lost_after_grace() {
    let origin = Origin::start().await;
    let (executor, other) = tokio::join!(with_grace(Duration::from_millis(1500)), Running::start());
    let front = Front::start([executor.address]).await;
    let (_remote, mut response) = under_way(&origin, config(front.url())).await;
    front.set_targets([other.address]);
    executor.kill().await;
    let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
    assert_eq!(lost(&error).0, Kind::SessionLost);
    assert!(error.message().contains("started again"), "{error}");
}

/// Proves that a balancer's cookie is shown on the way back, so that a session goes to the executor that has it though the
/// balancer leads nobody else there any more, and never by a session that begins (case 150).
#[tokio::test]
async fn cookie_leads_back_to_draining_executor() {
    let (origin, [draining, other], front) = balanced().await;
    front.stick();
    front.set_targets([draining.address]);
    let (remote, response) = under_way(&origin, config(front.url())).await;
    front.set_targets([other.address]);
    front.cut();
    assert_eq!(rest(&origin, response).await, 500);
    assert_eq!(front.forwarded(), 2, "at the first attempt");
    let cookies = |head: &String| head.contains(&format!("cookie: TARGET={}", draining.address));
    assert_eq!(front.heads().iter().map(cookies).collect::<Vec<_>>(), [false, true]);
    remote.close().await;
    remote.call(Request::get(origin.url("/status/204"))).await.unwrap();
    assert!(!front.heads()[2].to_ascii_lowercase().contains("cookie:"), "{}", front.heads()[2]);
    let affinity =
        |head: &String| head.lines().find(|line| line.starts_with("afield-affinity: ")).unwrap().to_owned();
    let keys: Vec<String> = front.heads().iter().map(affinity).collect();
    assert!(keys[0] == keys[1] && keys[1] != keys[2], "{keys:?}");
}

/// Proves that a session whose connection is lost while the executor drains comes back, and that the drain does not end while
/// an answer is owed to it, though its request has been performed (case 150).
#[tokio::test]
async fn drain_waits_for_session_on_its_way_back() {
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let toxic = Toxic::start(executor.address).await;
    let remote = Remote::connect(config(format!("ws://{}", toxic.address()))).await.unwrap();
    let call = {
        let (remote, url) = (remote.clone(), origin.url("/count?key=drained&gate=go"));
        tokio::spawn(async move { remote.call(Request::get(url)).await })
    };
    let request = origin.request(0).await;
    executor.drain();
    toxic.refuse();
    toxic.cut(Cut::Reset);
    let mut watch = remote.watch();
    let attempts = |least: u32| move |state: &ConnectionState| matches!(state, ConnectionState::Reconnecting { attempts, .. } if *attempts >= least);
    within("an attempt fails", watch.wait_for(attempts(1))).await.unwrap();
    origin.open_gate("go");
    request.wait_ended().await;
    within("more attempts fail", watch.wait_for(attempts(3))).await.unwrap();
    toxic.heal();
    assert_eq!(within("the call", call).await.unwrap().unwrap().body, r#"{"executions":1}"#);
}

/// Proves that what a proxy in front has done to the upgrade is told with what came and which setting mends it, and is
/// blamed on whoever runs it; and that a plaintext token is the caller's to mend (case 153).
#[tokio::test]
async fn refusal_names_what_came_and_who_mends_it() {
    let executor = Running::start().await;
    for (name, value, wanted) in [
        ("Host", "evil.test", ["host: evil.test", "--allow-host", "proxy_set_header Host"]),
        (
            "Origin",
            "https://app.test",
            ["origin: https://app.test", "proxy_set_header Origin", "http-request del-header"],
        ),
        ("Upgrade", "", ["no upgrade came", "proxy_set_header Upgrade", "upgrade=websocket"]),
        ("Connection", "close", ["connection: close", "proxy_http_version 1.1", "lost on the way"]),
    ] {
        let front = Front::start([executor.address]).await;
        front.add(name, value);
        let error = Remote::connect(config(front.url())).await.unwrap_err();
        let text = error.to_string();
        assert!(wanted.iter().all(|wanted| text.contains(wanted)), "{name}: {text}");
        assert_eq!(error.blame(), Blame::Operator, "{text}");
        assert_eq!(error.to_error().blame(), Blame::Operator, "{text}");
    }
    let token = Some(BearerToken::new("canary"));
    let address: SocketAddr = ([192, 0, 2, 1], 1).into();
    let exposed = RemoteConfig { token, ..config(format!("ws://{address}")) };
    let error = Remote::connect(exposed).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Dial(_)), "{error:?}");
    assert_eq!(error.blame(), Blame::Caller, "{error}");
    assert!(error.to_string().contains("allow_plaintext_token"), "{error}");
}

/// Proves that a path that has died in silence is known within 5 s of the next request, on a clock that runs only while nothing
/// else can happen, and that the request is then answered over another one, once (case 152).
#[tokio::test(start_paused = true)]
async fn request_on_silently_dead_path_is_known_within_five_seconds() {
    for quiet in [Duration::ZERO, Duration::from_millis(300), Duration::from_secs(9)] {
        let (origin, executor) = tokio::join!(Origin::start(), Running::start());
        let toxic = Toxic::start(executor.address).await;
        let remote = Remote::connect(config(format!("ws://{}", toxic.address()))).await.unwrap();
        remote.call(Request::get(origin.url("/status/204"))).await.unwrap();
        toxic.swallow();
        tokio::time::sleep(quiet).await;
        let mut watch = remote.watch();
        watch.mark_unchanged();
        let began = tokio::time::Instant::now();
        let call = {
            let (remote, url) = (remote.clone(), origin.url("/count?key=once"));
            tokio::spawn(async move { remote.call(Request::get(url)).await })
        };
        let lost = |state: &ConnectionState| matches!(state, ConnectionState::Reconnecting { .. });
        within("the loss is known", watch.wait_for(lost)).await.unwrap();
        let known = began.elapsed();
        assert!(known <= Duration::from_secs(5), "{known:?} after {quiet:?}");
        toxic.heal();
        assert_eq!(call.await.unwrap().unwrap().body, r#"{"executions":1}"#);
    }
}

/// Proves that a link that is slow and alive is not taken for a dead one, however long its round trip (case 152).
#[tokio::test(start_paused = true)]
async fn slow_link_is_kept() {
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let toxic = Toxic::start(executor.address).await;
    toxic.delay(afield_testkit::toxic::Way::Down, Duration::from_secs(6));
    let remote = Remote::connect(config(format!("ws://{}", toxic.address()))).await.unwrap();
    for _ in 0..5 {
        remote.call(Request::get(origin.url("/status/204"))).await.unwrap();
        tokio::time::sleep(Duration::from_secs(7)).await;
    }
    assert_eq!(toxic.accepted(), 1);
}
