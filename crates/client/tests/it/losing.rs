//! A lost connection in base: what it means for calls on it, and how the next ones get another.

use crate::support::{Running, any, base, config, connect_base, done, lost, next_call, played, session};
use afield_client::{HttpClient, Remote};
use afield_exchange::{Kind, Phase, Request, RequestBody, Retry};
use afield_executor::Config;
use afield_testkit::{
    Origin, PeerServer, Toxic,
    origin::Outcome,
    peer::{End, Frame, opcode},
    toxic::{Cut, Way},
    within,
};
use futures_util::{future::join_all, poll};
use serde_json::json;

/// An executor, and a client that reaches it through a network that fails on command.
async fn through_toxic() -> (Running, Toxic, Remote) {
    let executor = Running::start().await;
    let toxic = Toxic::start(executor.address).await;
    let remote = connect_base(format!("ws://{}", toxic.address())).await;
    (executor, toxic, remote)
}

/// Proves that calls and bodies under way fail as lost, by RST as by FIN, that the executor gives them up at the origin,
/// and that the next call has a new connection.
#[tokio::test]
async fn case_106_what_is_under_way_fails_and_the_next_call_connects_anew() {
    for cut in [Cut::Reset, Cut::Close] {
        let origin = Origin::start().await;
        let (_executor, toxic, remote) = through_toxic().await;
        let pending = {
            let (remote, url) = (remote.clone(), origin.url("/slow-head"));
            tokio::spawn(async move { remote.call(Request::get(url)).await.map(drop) })
        };
        let request = origin.request(0).await;
        let mut response = remote.stream(Request::get(origin.url("/sse-open"))).await.unwrap();
        toxic.cut(cut);
        let error = within("the call fails", pending).await.unwrap().unwrap_err();
        assert_eq!(lost(&error), (Kind::SessionLost, Retry::Unknown, None), "{cut:?}: {error:?}");
        let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
        assert_eq!(
            lost(&error),
            (Kind::SessionLost, Retry::Unknown, Some(Phase::Body)),
            "{cut:?}: {error:?}"
        );
        assert_eq!(request.wait_ended().await, Outcome::Abandoned);
        assert_eq!(toxic.accepted(), 1, "nothing connects by itself");
        assert!(remote.connected().is_none());
        let answer = remote.call(Request::get(origin.url("/count?key=after"))).await.unwrap();
        assert_eq!((answer.head.status, origin.executions("after")), (200, 1));
        assert_eq!(toxic.accepted(), 2);
        assert!(remote.connected().is_some());
    }
}

/// Proves that of two calls on a connection that is lost, the one that had not begun to be sent is safe to retry, and
/// the one that had is not.
#[tokio::test]
async fn a_call_that_was_still_queued_is_safe_to_retry() {
    let (_executor, toxic, remote) = through_toxic().await;
    toxic.stall(Way::Up);
    let large = || any().body(RequestBody::Bytes(vec![7; 24 << 20].into()));
    let mut first = remote.call(large());
    assert!(poll!(&mut first).is_pending());
    // The driver has its turn: the first is under way and stuck.
    tokio::task::yield_now().await;
    let mut second = remote.call(any());
    assert!(poll!(&mut second).is_pending());
    toxic.cut(Cut::Reset);
    let (first, second) = within("both fail", async { tokio::join!(first, second) }).await;
    assert_eq!(lost(&first.unwrap_err()), (Kind::SessionLost, Retry::Unknown, None));
    assert_eq!(lost(&second.unwrap_err()), (Kind::SessionLost, Retry::Safe, None));
}

/// Proves that fifty calls that find no connection make one.
#[tokio::test]
async fn fifty_calls_make_one_connection() {
    let origin = Origin::start().await;
    let (_executor, toxic, remote) = through_toxic().await;
    toxic.cut(Cut::Reset);
    within("the client notices", async {
        while remote.connected().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let calls = (0..50).map(|_| remote.call(Request::get(origin.url("/count?key=fifty"))));
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap().head.status, 200);
    }
    assert_eq!((toxic.accepted(), origin.executions("fifty")), (2, 50));

    let lazy = Remote::new(base(format!("ws://{}", toxic.address())));
    let calls = (0..50).map(|_| lazy.call(Request::get(origin.url("/count?key=lazy"))));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!((toxic.accepted(), origin.executions("lazy")), (3, 50));
}

/// Proves that fifty calls share the failure of one attempt too, instead of trying one after the other.
#[tokio::test]
async fn fifty_calls_share_a_failure() {
    let server = PeerServer::start().await;
    let toxic = Toxic::start(server.address()).await;
    let remote = Remote::new(base(format!("ws://{}", toxic.address())));
    let calls = join_all((0..50).map(|_| remote.call(any())));
    let refuse = server.answer_with("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
    let (results, _) = tokio::join!(calls, refuse);
    for result in results {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (Kind::Unauthorized, Retry::Safe));
    }
    assert_eq!(toxic.accepted(), 1);
}

/// Proves that an attempt goes on when the call that began it is dropped while another waits, and ends with the last.
#[tokio::test]
async fn an_attempt_belongs_to_all_who_wait_for_it() {
    let server = PeerServer::start().await;
    let remote = Remote::new(config(server.url()));
    let mut first = remote.call(any());
    let mut second = remote.call(any());
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let mut executor = within("the attempt begins", async {
        tokio::select! {
            executor = server.accept() => executor,
            _ = &mut first => panic!("nobody has answered"),
        }
    })
    .await;
    drop(first);
    let (answer, ()) = tokio::join!(second, async {
        executor.accept_session(crate::support::result(true)).await;
        let call = next_call(&mut executor).await;
        executor.send_json(&done(&call, 200, "")).await;
    });
    assert_eq!(answer.unwrap().head.status, 200);

    let remote = Remote::new(config(server.url()));
    let mut only = remote.call(any());
    let mut executor = tokio::select! {
        executor = server.accept() => executor,
        _ = &mut only => panic!("nobody has answered"),
    };
    drop(only);
    assert!(
        matches!(within("the connection ends", executor.end()).await, End::Lost(_)),
        "nobody waits for it"
    );
}

/// Proves that an executor that was killed and started again on its port is found again.
#[tokio::test]
async fn case_107_an_executor_that_was_restarted_is_found_again() {
    let origin = Origin::start().await;
    let executor = Running::start().await;
    let mut config = base(executor.url());
    config.wait = true;
    let remote = Remote::connect(config).await.unwrap();
    let mut response = remote.stream(Request::get(origin.url("/sse-open"))).await.unwrap();
    let address = executor.kill().await;
    let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::SessionLost);
    let again = remote.call(Request::get(origin.url("/status/204")));
    let restart = Running::at(address, Config::default());
    let (answer, _executor) = tokio::join!(again, restart);
    assert_eq!(answer.unwrap().head.status, 204);
}

/// Proves that a client whose session was taken by another connection does not come back by itself, says why, and does
/// so when told to.
#[tokio::test]
async fn a_client_that_was_evicted_stays_away_until_it_is_closed() {
    let mut played = played(true).await;
    let (failed, ()) = tokio::join!(played.remote.call(any()), async {
        next_call(&mut played.executor).await;
        played.executor.close(4001, "session resumed by another connection").await;
    });
    assert_eq!(lost(&failed.unwrap_err()), (Kind::SessionLost, Retry::Unknown, None));
    for _ in 0..3 {
        let error = played.remote.call(any()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Safe));
        assert!(error.message().contains("another connection"), "{error}");
    }
    played.remote.close().await;
    let (answer, ()) = tokio::join!(played.remote.call(any()), async {
        // The first connection to come is this one: the calls before made none.
        let mut executor = session(&played.server, true).await;
        let call = next_call(&mut executor).await;
        executor.send_json(&done(&call, 200, "")).await;
    });
    assert!(answer.is_ok());
}

/// Proves that a call that meets a connection at its very end is sent on a new one: nothing of it had been sent.
#[tokio::test]
async fn a_call_that_meets_a_connection_at_its_end_has_another() {
    let server = PeerServer::start().await;
    let remote = Remote::new(config(server.url()));
    let serve = async {
        // The session begins and the connection ends in one breath, before the call has had its turn.
        let mut fleeting = server.accept().await;
        let asked = fleeting.asked("initialize").await;
        let answer = json!({ "id": asked["id"], "result": crate::support::result(true) }).to_string();
        let text = Frame::new(opcode::TEXT, answer).unmasked().bytes();
        let close = Frame::new(opcode::CLOSE, vec![3, 232]).unmasked().bytes();
        fleeting.send_raw([text, close].concat()).await.unwrap();
        let mut executor = session(&server, true).await;
        let call = next_call(&mut executor).await;
        executor.send_json(&done(&call, 200, "")).await;
        within("the connection ends", fleeting.end()).await
    };
    let (answer, end) = tokio::join!(remote.call(any()), serve);
    assert_eq!(answer.unwrap().head.status, 200);
    assert_eq!(end, End::Closed(1000, String::new()));
}
