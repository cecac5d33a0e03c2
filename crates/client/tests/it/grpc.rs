//! gRPC, called as any other HTTP/2 origin: a real server, from here and through an executor.

use crate::support::{Running, connect};
use afield_client::{HttpClient, Local};
use afield_egress::EgressConfig;
use afield_exchange::{
    BodyError, Buffered, Header, HttpVersion, Request, RequestBody, ResponseBody, VersionPreference,
};
use afield_testkit::tools::RealOrigin;
use afield_testkit::{require_or_skip, within};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use tokio::sync::mpsc;

/// A message as gRPC sends it: not compressed, its length, itself.
fn message(bytes: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(bytes.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(bytes.len()).unwrap());
    framed.put_slice(bytes);
    framed.freeze()
}

/// Takes the first message off, if it is there whole.
fn take(received: &mut BytesMut) -> Option<Bytes> {
    let (&[0, a, b, c, d], _) = received.split_first_chunk()? else { panic!("a compressed message") };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    (received.len() >= 5 + length).then(|| received.split_to(5 + length).split_off(5).freeze())
}

fn messages(body: &[u8]) -> Vec<Bytes> {
    let mut rest = BytesMut::from(body);
    let taken = std::iter::from_fn(|| take(&mut rest)).collect();
    assert!(rest.is_empty(), "{} bytes after the last message", rest.len());
    taken
}

fn value<'a>(fields: &'a [Header], name: &str) -> Option<&'a str> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).and_then(Header::text)
}

fn request(origin: &RealOrigin, method: &str, body: RequestBody) -> Request {
    let url = format!("http://127.0.0.1:{}/test.Echo/{method}", origin.port("plain"));
    let request =
        Request::new("POST", url).header("te", "trailers").header("content-type", "application/grpc");
    let mut request = request.header("x-asked", "yes").body(body);
    request.http_version = VersionPreference::Http2PriorKnowledge;
    request
}

fn of_messages(messages: Vec<Bytes>) -> RequestBody {
    let stream = stream::iter(messages.into_iter().map(Ok::<_, BodyError>));
    RequestBody::Stream { length: None, stream: Box::pin(stream) }
}

async fn call(client: &dyn HttpClient, request: Request) -> Buffered {
    let answer = within("the call ends", client.call(request)).await.unwrap();
    assert_eq!(answer.head.status, 200);
    assert_eq!(value(&answer.head.headers, "content-type"), Some("application/grpc"));
    let timings = answer.head.timings.as_ref().expect("it is told how it went");
    assert_eq!(timings.http_version, Some(HttpVersion::Http2));
    answer
}

/// The next message of a response.
async fn next(body: &mut ResponseBody, received: &mut BytesMut) -> Bytes {
    loop {
        if let Some(message) = take(received) {
            return message;
        }
        let piece = within("a message", body.next()).await.expect("the response goes on").unwrap();
        received.extend_from_slice(&piece);
    }
}

async fn proves_all_kinds_of_call(client: &dyn HttpClient, origin: &RealOrigin) {
    let unary = call(client, request(origin, "Unary", RequestBody::Bytes(message(b"abc")))).await;
    assert_eq!(messages(&unary.body), ["cba"]);
    assert_eq!(value(&unary.head.headers, "x-initial"), Some("i"));
    assert_eq!(value(&unary.trailers, "grpc-status"), Some("0"));
    assert_eq!(value(&unary.trailers, "x-trailing"), Some("yes"), "metadata went and came");
    assert!(value(&unary.trailers, "x-raw-bin").is_some());

    let many = call(client, request(origin, "ServerStream", RequestBody::Bytes(message(b"5")))).await;
    let expected: Vec<Bytes> = (0..5).map(|at: u8| vec![b'0' + at; 1000].into()).collect();
    assert_eq!((messages(&many.body), value(&many.trailers, "grpc-status")), (expected, Some("0")));

    let sent = vec![message(&[7; 100_000]); 3];
    let counted = call(client, request(origin, "ClientStream", of_messages(sent))).await;
    assert_eq!(messages(&counted.body), ["3 of 300000"]);
    assert_eq!(value(&counted.trailers, "grpc-status"), Some("0"));

    let failed = call(client, request(origin, "Fail", RequestBody::Bytes(message(b"")))).await;
    assert!(failed.body.is_empty());
    // Without a message, gRPC's trailers may be the only fields there are: then they are the head.
    let told = |name| value(&failed.trailers, name).or_else(|| value(&failed.head.headers, name));
    assert_eq!((told("grpc-status"), told("grpc-message")), (Some("9"), Some("not now: 100 %25 sure")));

    let (to_send, sending) = mpsc::channel::<Bytes>(1);
    let stream = stream::unfold(sending, async |mut sending| {
        let bytes = sending.recv().await?;
        Some((Ok::<_, BodyError>(bytes), sending))
    });
    let body = RequestBody::Stream { length: None, stream: Box::pin(stream) };
    to_send.send(message(b"0")).await.unwrap();
    let answer = within("the head", client.stream(request(origin, "Both", body))).await.unwrap();
    let (mut body, mut received) = (answer.body, BytesMut::new());
    for at in 0..10 {
        assert_eq!(next(&mut body, &mut received).await, format!("echo {at}"), "before the next is sent");
        to_send.send(message((at + 1).to_string().as_bytes())).await.unwrap();
    }
    assert_eq!(next(&mut body, &mut received).await, "echo 10");
    drop(to_send);
    assert!(within("the end", body.next()).await.is_none());
    assert_eq!(value(body.trailers(), "grpc-status"), Some("0"));
}

/// Proves that a real gRPC server is called in every way from here: one message or a stream of them, either way and both at
/// once, metadata, and an error in the trailers (case 131).
#[tokio::test(flavor = "multi_thread")]
async fn grpc_is_called_from_here() {
    let origin = require_or_skip!(RealOrigin::grpc().await);
    proves_all_kinds_of_call(&Local::new(EgressConfig::default()).unwrap(), &origin).await;
}

/// Proves the same through an executor, in afield/1 (case 131).
#[tokio::test(flavor = "multi_thread")]
async fn grpc_is_called_through_executor() {
    let origin = require_or_skip!(RealOrigin::grpc().await);
    let executor = Running::start().await;
    proves_all_kinds_of_call(&connect(executor.url()).await, &origin).await;
}
