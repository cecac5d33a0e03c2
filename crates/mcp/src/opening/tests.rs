use super::*;
use crate::HttpTransport;
use afield_client::{Exchange, HttpClient};
use afield_exchange::{Buffered, Head, Header, Request, Response, ResponseBody};
use futures_util::{FutureExt, stream};
use rmcp::{
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, InitializedNotification, PingRequest,
        RequestId,
    },
    transport::streamable_http_client::StreamableHttpClient,
};
use std::collections::HashMap;
use tokio::sync::Notify;

/// A server that accepts messages at once and opens a stream when it is told to.
#[derive(Default)]
struct Server {
    methods: Mutex<Vec<String>>,
    asked: Notify,
    open: Notify,
}

impl HttpClient for Server {
    fn stream(&self, request: Request) -> Exchange<'_, Response> {
        Box::pin(async move {
            self.methods.lock().unwrap().push(request.method.clone());
            let is_stream = request.method == "GET";
            if is_stream {
                self.asked.notify_one();
                self.open.notified().await;
            }
            let headers = vec![Header::new("content-type", "text/event-stream")];
            let head = Head::new(if is_stream { 200 } else { 202 }, headers);
            Ok(Response { head, body: ResponseBody::new(stream::empty()) })
        })
    }

    fn call(&self, _request: Request) -> Exchange<'_, Buffered> {
        unimplemented!("the transport streams")
    }
}

/// Proves that a message does not overtake the stream of its session, though it was sent first: the server sees it once
/// the stream is open.
#[tokio::test(start_paused = true)]
async fn a_message_does_not_overtake_the_stream_of_its_session() {
    let server = Arc::new(Server::default());
    let transport = HttpTransport::new(server.clone());
    let url: Arc<str> = "http://mcp.test/".into();
    let session = || Some(Arc::from("session"));
    let initialized = InitializedNotification { method: Default::default(), extensions: Default::default() };
    let initialized =
        ClientJsonRpcMessage::notification(ClientNotification::InitializedNotification(initialized));
    let ping = ClientRequest::PingRequest(PingRequest::default());
    let ping = ClientJsonRpcMessage::request(ping, RequestId::Number(1));
    transport.post_message(url.clone(), initialized, session(), None, HashMap::new()).await.unwrap();
    let message = transport.post_message(url.clone(), ping, session(), None, HashMap::new());
    let stream = transport.get_stream(url, session(), None, None, HashMap::new());
    let open = async {
        server.asked.notified().await;
        tokio::task::yield_now().await;
        assert_eq!(*server.methods.lock().unwrap(), ["POST", "GET"], "the message waits");
        server.open.notify_one();
    };
    let (message, stream, ()) = futures_util::join!(message, stream, open);
    assert!(message.is_ok() && stream.is_ok());
    assert_eq!(*server.methods.lock().unwrap(), ["POST", "GET", "POST"]);
}

/// Proves that messages of a session that has begun wait until its stream is open, and those of others do not.
#[tokio::test(start_paused = true)]
async fn messages_wait_for_the_stream_of_their_session_alone() {
    let openings = Openings::default();
    let (this, other) = (Arc::from("this"), Arc::from("other"));
    openings.begin(&this);
    assert!(openings.wait(Some(&other)).now_or_never().is_some());
    assert!(openings.wait(None).now_or_never().is_some());
    assert!(openings.open(Some(&other)).is_none());
    let opening = openings.open(Some(&this));
    let mut waiting = Box::pin(openings.wait(Some(&this)));
    assert!((&mut waiting).now_or_never().is_none());
    drop(opening);
    assert!(waiting.now_or_never().is_some());
    assert!(openings.wait(Some(&this)).now_or_never().is_some());
}

/// Proves that a stream that does not open, or is never asked for, delays the messages of its session once, and not for
/// long; and that nothing is kept of it.
#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_open_delays_messages_once() {
    let openings = Openings::default();
    let session = Arc::from("session");
    openings.begin(&session);
    let (began, opening) = (Instant::now(), openings.open(Some(&session)));
    openings.wait(Some(&session)).await;
    assert!(began.elapsed() >= PATIENCE && began.elapsed() < 2 * PATIENCE);
    assert!(openings.wait(Some(&session)).now_or_never().is_some());
    drop(opening);
    assert!(openings.list().is_empty());
    openings.begin(&session);
    tokio::time::advance(PATIENCE).await;
    openings.begin(&Arc::from("later"));
    assert_eq!(openings.list().len(), 1);
}
