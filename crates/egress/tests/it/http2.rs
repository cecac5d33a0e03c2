//! HTTP/2, negotiated over TLS: what works, and what misbehaving origins can do.

use crate::support::{World, names_sent, sent, streamed};
use afield_egress::CaPolicy;
use afield_exchange::{Kind, Phase, Request, RequestBody, Retry, detail};
use afield_testkit::origin::Outcome;
use afield_testkit::raw::frames::{
    PREFACE, STATUS_200, continuation, data, frame, goaway, headers, headers_begun, ping, rst_stream,
    settings, settings_ack,
};
use afield_testkit::raw::{RawOrigin, Script};
use afield_testkit::tls::Ca;
use afield_testkit::{Origin, pattern, within};
use std::time::Duration;

fn trusting(ca: &Ca) -> World {
    World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()))
}

async fn origin() -> (World, Origin) {
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2", "http/1.1"]).build();
    (trusting(&ca), Origin::builder().tls(tls).start().await.unwrap())
}

/// An origin that has read the preface and sent its settings, and then plays `then`.
fn opening() -> Script {
    Script::new().expect_text(PREFACE).send(settings(&[])).send(settings_ack()).expect_bytes(9)
}

async fn scripted(scripts: impl IntoIterator<Item = Script>) -> (World, RawOrigin) {
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2"]).build();
    let builder = scripts.into_iter().fold(RawOrigin::builder(), |builder, script| builder.script(script));
    (trusting(&ca), builder.tls(tls).start().await.unwrap())
}

/// Proves that HTTP/2 is negotiated, that many calls share one connection, and that bodies arrive both ways.
#[tokio::test]
async fn many_calls_share_one_connection() {
    let (world, origin) = origin().await;
    world.get(origin.url("/echo")).await.unwrap();
    let calls = (0..20).map(|at| {
        let length = 1000 * at;
        let (world, url) = (world.clone(), origin.url("/mirror"));
        async move {
            let request = Request::new("POST", url).body(RequestBody::Bytes(pattern::bytes(0, length)));
            assert_eq!(world.call(request).await.unwrap().body, pattern::bytes(0, length));
        }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(origin.accepted(), 1);
    assert!(origin.requests().iter().all(|request| request.version() == "HTTP/2"));
}

/// Proves that framing fields and hop-by-hop fields stay out of HTTP/2 (but for `TE: trailers`), and that streamed bodies of
/// known and unknown length arrive.
#[tokio::test]
async fn requests_are_framed_by_http2() {
    let (world, origin) = origin().await;
    for (length, framing) in [(Some(7), Some("7")), (None, None)] {
        let request = Request::new("POST", origin.url("/upload"))
            .header("Connection", "x-named")
            .header("x-named", "1")
            .header("TE", "trailers")
            .header("X-Kept", "1")
            .body(streamed(length, ["con", "tent"]));
        world.call(request).await.unwrap();
        let seen = origin.requests().pop().unwrap();
        assert_eq!(seen.wait_body().await.0, 7);
        assert_eq!(sent(&seen, "content-length").as_deref(), framing);
        let names: Vec<_> = names_sent(&seen).into_iter().filter(|name| *name != "content-length").collect();
        assert!(names.iter().all(|name| ["host", "x-kept", "te"].contains(name)), "{names:?}");
    }
    world
        .call(Request::new("GET", origin.url("/upload")).body(streamed(None, ["con", "tent"])))
        .await
        .unwrap();
    assert_eq!(origin.requests().pop().unwrap().wait_body().await.0, 7);
}

/// Proves that a `Host` of the caller's own is honoured over TLS as well, where HTTP/2 has no place for it.
#[tokio::test]
async fn case_048_an_own_host_is_honoured_over_tls() {
    let (world, origin) = origin().await;
    world.call(Request::get(origin.url("/echo")).header("Host", "other.test")).await.unwrap();
    let seen = origin.request(0).await;
    assert_eq!((seen.version(), sent(&seen, "host").as_deref()), ("HTTP/1.1", Some("other.test")));
    let own = origin.address().to_string();
    world.call(Request::get(origin.url("/echo")).header("Host", own.clone())).await.unwrap();
    let seen = origin.request(1).await;
    assert_eq!((seen.version(), sent(&seen, "host")), ("HTTP/2", Some(own)));
}

/// Proves that dropping a body cancels that stream alone.
#[tokio::test]
async fn dropping_a_body_cancels_its_stream_alone() {
    let (world, origin) = origin().await;
    let response = world.egress.send(Request::get(origin.url("/endless"))).await.unwrap();
    let other = world.egress.send(Request::get(origin.url("/half/100?then=rest"))).await.unwrap();
    drop(response);
    assert_eq!(origin.request(0).await.wait_ended().await, Outcome::Abandoned);
    origin.open_gate("rest");
    assert_eq!(within("the other body ends", other.body.collect(1000)).await.unwrap().len(), 100);
    assert_eq!(origin.accepted(), 1);
}

/// Proves that streams which nobody reads hold up no other on their connection.
#[tokio::test]
async fn case_102_unread_streams_hold_up_no_other() {
    let (world, origin) = origin().await;
    let mut unread = Vec::new();
    for _ in 0..30 {
        unread.push(world.egress.send(Request::get(origin.url("/endless"))).await.unwrap());
    }
    let answer = world.get(origin.url("/bytes/3000000")).await.unwrap();
    assert_eq!(pattern::sha256_of(&answer.body), pattern::sha256(3_000_000));
    assert_eq!(origin.accepted(), 1);
}

/// Proves that what an origin says it has not processed is sent once more, and that if it goes on saying so the caller may
/// retry.
#[tokio::test]
async fn case_076_refused_streams_are_sent_again() {
    const REFUSED: u32 = 7;
    let (world, origin) = scripted([opening()
        .expect_text("\x05\0\0\0\x01")
        .send(rst_stream(1, REFUSED))
        .expect_text("\x05\0\0\0\x03")
        .send(headers(3, STATUS_200, true))
        .hang()])
    .await;
    assert_eq!(world.get(origin.url("/")).await.unwrap().head.status, 200);

    let refusing = opening()
        .expect_text("\x05\0\0\0\x01")
        .send(rst_stream(1, REFUSED))
        .expect_text("\x05\0\0\0\x03")
        .send(rst_stream(3, REFUSED))
        .expect_text("\x05\0\0\0\x05")
        .send(rst_stream(5, REFUSED))
        .hang();
    let (world, origin) = scripted([refusing]).await;
    let error = world.refused(origin.url("/")).await;
    assert_eq!((error.kind(), error.retry()), (Kind::OriginProtocol, Retry::Safe));
}

/// Proves that a connection which goes away before it looked at the request costs the caller nothing.
#[tokio::test]
async fn case_076_a_goaway_before_the_request_is_retried_elsewhere() {
    let leaving = opening().expect_text("\x05\0\0\0\x01").send(goaway(0, 0)).close();
    let serving = opening().expect_text("\x05\0\0\0\x01").send(headers(1, STATUS_200, true)).hang();
    let (world, origin) = scripted([leaving, serving]).await;
    assert_eq!(world.get(origin.url("/")).await.unwrap().head.status, 200);
    assert_eq!(origin.accepted(), 2);

    let seen = opening().expect_text("\x05\0\0\0\x01").send(goaway(1, 0)).close();
    let (world, origin) = scripted([seen]).await;
    let error = world.refused(origin.url("/")).await;
    assert_eq!((error.kind(), error.retry()), (Kind::OriginProtocol, Retry::Unknown), "{error:?}");
    assert_eq!(origin.accepted(), 1, "what may have been processed is not sent again");
}

/// Proves that a reset stream fails its request, before the head and in the body, and is not sent again.
#[tokio::test]
async fn case_076_reset_streams_fail_their_request() {
    const INTERNAL: u32 = 2;
    let (world, origin) =
        scripted([opening().expect_text("\x05\0\0\0\x01").send(rst_stream(1, INTERNAL)).hang()]).await;
    let error = world.refused(origin.url("/")).await;
    assert_eq!(
        (error.kind(), error.phase(), error.retry()),
        (Kind::OriginProtocol, Some(Phase::Head), Retry::Unknown)
    );

    for end in [rst_stream(1, INTERNAL), goaway(1, INTERNAL)] {
        let script = opening()
            .expect_text("\x05\0\0\0\x01")
            .send(headers(1, STATUS_200, false))
            .send(data(1, "half", false))
            .send(end)
            .close();
        let (world, origin) = scripted([script]).await;
        let error = world.refused(origin.url("/")).await;
        assert_eq!((error.kind(), error.phase()), (Kind::OriginProtocol, Some(Phase::Body)), "{error:?}");
    }
    let cut = opening()
        .expect_text("\x05\0\0\0\x01")
        .send(headers(1, STATUS_200, false))
        .send(data(1, "half", false))
        .close();
    let (world, origin) = scripted([cut]).await;
    let error = world.refused(origin.url("/")).await;
    assert_eq!((error.kind(), error.phase()), (Kind::OriginProtocol, Some(Phase::Body)), "{error:?}");
}

/// Proves that floods of control frames and endless header blocks end the exchange with an error, and that nonsense does.
#[tokio::test]
async fn case_076_floods_and_nonsense_end_the_exchange() {
    let block = vec![0u8; 16_000];
    let mut begun = vec![headers_begun(1, &block)];
    begun.extend((0..4000).map(|_| continuation(1, &block, false)));
    let endless_headers: Vec<u8> = begun.concat();
    let settings_flood = settings(&[(4, 65_535)]).repeat(1000);
    let pings = ping(*b"afieldxx").repeat(1000);
    for (what, script) in [
        ("headers", opening().expect_text("\x05\0\0\0\x01").send(endless_headers).hang()),
        ("settings", opening().expect_text("\x05\0\0\0\x01").flood(settings_flood)),
        ("pings", opening().expect_text("\x05\0\0\0\x01").flood(pings)),
        ("resets", opening().expect_text("\x05\0\0\0\x01").send(rst_stream(9, 8)).hang()),
        (
            "oversized frame",
            opening().expect_text("\x05\0\0\0\x01").send(frame(0, 0, 1, vec![0; 100_000])).hang(),
        ),
        (
            "overrun window",
            opening().expect_text("\x05\0\0\0\x01").send(headers(1, STATUS_200, false)).flood(data(
                1,
                [0; 16_000],
                false,
            )),
        ),
        ("no http2", Script::new().expect_text(PREFACE).send("HTTP/1.1 200 OK\r\n\r\n").hang()),
    ] {
        let (world, origin) = scripted([script]).await;
        let mut request = Request::get(origin.url("/"));
        request.timeout = Some(Duration::from_millis(200));
        let error = world.call(request).await.err().unwrap_or_else(|| panic!("{what} was answered"));
        let expected = [Kind::OriginProtocol, Kind::Timeout, Kind::TooLarge];
        assert!(expected.contains(&error.kind()), "{what}: {error:?}");
        drop(world);
        origin.connection(0).await.wait_closed().await;
    }
}

/// Proves that an origin which resets every stream fails every request once, and costs no connection for it.
#[tokio::test]
async fn case_076_an_origin_that_resets_everything_fails_everything() {
    const CANCEL: u32 = 8;
    const REQUESTS: u32 = 50;
    let resetting = (0..REQUESTS).fold(opening(), |script, at| {
        let stream = 2 * at + 1;
        script.expect_text(format!("\x05\0\0\0{}", char::from(stream as u8))).send(rst_stream(stream, CANCEL))
    });
    let (world, origin) = scripted([resetting.hang()]).await;
    for _ in 0..REQUESTS {
        let error = world.refused(origin.url("/")).await;
        assert_eq!((error.kind(), error.retry()), (Kind::OriginProtocol, Retry::Unknown), "{error:?}");
    }
    assert_eq!(origin.accepted(), 1);
}

/// Proves that an origin which takes the body of a request one byte at a time, or not at all, ends at the deadline.
#[tokio::test]
async fn case_076_tiny_windows_end_at_the_deadline() {
    const INITIAL_WINDOW: u16 = 4;
    for window in [0, 1] {
        let script = Script::new().expect_text(PREFACE).send(settings(&[(INITIAL_WINDOW, window)]));
        let (world, origin) = scripted([script.send(settings_ack()).hang()]).await;
        let mut request = Request::new("POST", origin.url("/"));
        request.body = RequestBody::Bytes(pattern::bytes(0, 4 << 20));
        request.timeout = Some(Duration::from_millis(200));
        let error = world.call(request).await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (Kind::Timeout, Some(Phase::Request)), "{error:?}");
        drop(world);
        origin.connection(0).await.wait_closed().await;
    }
}

/// Proves that a buffered body over its limit cancels its stream.
#[tokio::test]
async fn case_071_a_buffered_body_over_its_limit_cancels_its_stream() {
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2"]).build();
    let origin = Origin::builder().tls(tls).start().await.unwrap();
    let world = World::with(|config| {
        config.ca = CaPolicy::Pem(ca.pem().into_bytes().into());
        config.limits.buffered_body_bytes = 100_000;
    });
    assert_eq!(world.refused(origin.url("/endless")).await.detail(), Some(detail::RESPONSE_BODY));
    assert_eq!(origin.request(0).await.wait_ended().await, Outcome::Abandoned);
}
