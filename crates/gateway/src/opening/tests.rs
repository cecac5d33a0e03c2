use super::*;
use afield_exchange::Header;
use std::pin::pin;

const URL: &str = "http://h/mcp";

fn headers(session: Option<&'static str>, accept: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.extend(session.map(|session| (SESSION.clone(), HeaderValue::from_static(session))));
    headers
}

fn begin(openings: &Openings, session: &'static str) {
    let head = Head::new(200, vec![Header::new("mcp-session-id", session)]);
    openings.answered(URL, &headers(None, "*/*"), &head);
}

async fn post(openings: &Openings, session: &'static str) -> Option<Turn> {
    openings.turn(&Method::POST, &headers(Some(session), "application/json, text/event-stream"), URL).await
}

async fn get(openings: &Openings, session: &'static str) -> Turn {
    let fields = headers(Some(session), "text/event-stream");
    openings.turn(&Method::GET, &fields, URL).await.expect("a stream takes its turn at once")
}

/// How long `wait` takes, by the paused clock.
async fn time<T>(wait: impl Future<Output = T>) -> (Duration, T) {
    let start = Instant::now();
    let output = wait.await;
    (start.elapsed(), output)
}

/// Proves that after a session has begun its first request goes at once, and what comes next waits for the stream's head,
/// also if it was sent before the stream was asked for; and that from then on nothing waits.
#[tokio::test(start_paused = true)]
async fn messages_follow_the_stream_of_their_session() {
    let openings = Openings::default();
    begin(&openings, "s");
    let first = post(&openings, "s").await;
    assert!(first.is_some());
    let mut early = pin!(post(&openings, "s"));
    assert!(timeout_at(Instant::now() + OPENING / 2, early.as_mut()).await.is_err());
    drop(first);
    let stream = get(&openings, "s").await;
    let mut late = pin!(post(&openings, "s"));
    for waiting in [early.as_mut(), late.as_mut()] {
        assert!(timeout_at(Instant::now() + OPENING / 4, waiting).await.is_err());
    }
    drop(stream);
    for waiting in [early.as_mut(), late.as_mut()] {
        assert_eq!(time(waiting).await.0, Duration::ZERO);
    }
    assert_eq!(time(post(&openings, "s")).await.0, Duration::ZERO);
    assert!(openings.list().is_empty());
}

/// Proves that a client which asks for no stream is delayed once, and a server that holds back its head for as long as is
/// said.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_is_said() {
    let openings = Openings::default();
    begin(&openings, "none");
    drop(post(&openings, "none").await);
    assert_eq!(time(post(&openings, "none")).await.0, DUE);
    assert_eq!(time(post(&openings, "none")).await.0, Duration::ZERO);
    let _held_back = get(&openings, "slow").await;
    assert_eq!(time(post(&openings, "slow")).await.0, OPENING);
    assert_eq!(time(post(&openings, "slow")).await.0, Duration::ZERO);
}

/// Proves that nothing else waits: another session, another URL, no session, another `GET`.
#[tokio::test(start_paused = true)]
async fn nothing_else_waits() {
    let openings = Openings::default();
    let _stream = get(&openings, "s").await;
    assert_eq!(time(post(&openings, "t")).await.0, Duration::ZERO);
    let fields = headers(Some("s"), "text/event-stream");
    assert_eq!(time(openings.turn(&Method::POST, &fields, "http://h/other")).await.0, Duration::ZERO);
    let fields = headers(None, "text/event-stream");
    assert_eq!(time(openings.turn(&Method::POST, &fields, URL)).await.0, Duration::ZERO);
    // A session that a request names does not begin with its answer.
    let head = Head::new(200, vec![Header::new("mcp-session-id", "u")]);
    openings.answered(URL, &headers(Some("u"), "*/*"), &head);
    assert!(post(&openings, "u").await.is_none());
}

/// Proves that what is remembered is bounded.
#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded() {
    let openings = Openings::default();
    for _ in 0..MOST + 10 {
        begin(&openings, "s");
    }
    assert_eq!(openings.list().len(), MOST);
}
