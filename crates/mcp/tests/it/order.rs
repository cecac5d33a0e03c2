//! Messages of a session and its stream.

use crate::support::{Places, initialized, ping, response};
use afield_testkit::{Gate, RawOrigin, Script};
use rmcp::transport::streamable_http_client::StreamableHttpClient;
use std::{collections::HashMap, sync::Arc};

/// Proves that a message does not overtake the stream of its session, though that is asked for at the same time and later
/// answered: the server sees the message once it has opened the stream.
#[tokio::test]
async fn a_message_does_not_overtake_the_stream_of_its_session() {
    let places = Places::start().await;
    for (place, transport) in places.each() {
        let gate = Gate::new();
        let accepted = Script::new().expect_request().send(response(202, "", "")).close();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let stream = Script::new().expect_request().wait(&gate).send(head).hang();
        let origin = RawOrigin::builder().script(accepted.clone()).script(stream).otherwise(accepted);
        let origin = origin.start().await.unwrap();
        let url: Arc<str> = origin.url("/mcp").into();
        let session = || Some(Arc::from("s"));
        transport.post_message(url.clone(), initialized(), session(), None, HashMap::new()).await.unwrap();
        let message = transport.post_message(url.clone(), ping(), session(), None, HashMap::new());
        let stream = transport.get_stream(url.clone(), session(), None, None, HashMap::new());
        let opened = async {
            gate.wait_waiting().await;
            assert_eq!(origin.accepted(), 2, "{place}: the message waits");
            gate.open();
        };
        let (stream, message, ()) = futures_util::join!(stream, message, opened);
        assert!(stream.is_ok() && message.is_ok(), "{place}");
        let received = origin.connection(1).await.received();
        assert!(received.starts_with(b"GET "), "{place}");
    }
}
