//! Who lets go of a stream or a call lets go of the server.

use crate::support::{Places, ping};
use afield_testkit::{Origin, origin::Outcome};
use rmcp::transport::streamable_http_client::{StreamableHttpClient, StreamableHttpPostResponse};
use std::{collections::HashMap, future::Future};

/// Polls a call until its request has come to the origin, and then drops it.
async fn drop_once_arrived(origin: &Origin, call: impl Future) {
    tokio::select! {
        _ = call => panic!("the origin never answers"),
        _ = origin.request(0) => {}
    }
}

/// Proves that dropping a stream, of a reply or of a session, closes the exchange at the origin.
#[tokio::test]
async fn dropping_a_stream_reaches_the_origin() {
    let places = Places::start().await;
    for (place, transport) in places.each() {
        let origin = Origin::start().await;
        let url = origin.url("/sse-open");
        let stream =
            transport.get_stream(url.as_str().into(), None, None, None, HashMap::new()).await.unwrap();
        drop(stream);
        assert_eq!(origin.request(0).await.wait_ended().await, Outcome::Abandoned, "{place}");
        let reply = transport.post_message(url.as_str().into(), ping(), None, None, HashMap::new()).await;
        let Ok(StreamableHttpPostResponse::Sse(stream, None)) = reply else { panic!("{place}: {reply:?}") };
        drop(stream);
        assert_eq!(origin.request(1).await.wait_ended().await, Outcome::Abandoned, "{place}");
    }
}

/// Proves that dropping a call that waits for its answer closes the exchange at the origin, whatever the method.
#[tokio::test]
async fn dropping_a_call_reaches_the_origin() {
    let places = Places::start().await;
    for (place, transport) in places.each() {
        for method in ["POST", "GET", "DELETE"] {
            let origin = Origin::start().await;
            let url = origin.url("/slow-head").into();
            match method {
                "POST" => {
                    drop_once_arrived(
                        &origin,
                        transport.post_message(url, ping(), None, None, HashMap::new()),
                    )
                    .await
                }
                "GET" => {
                    drop_once_arrived(&origin, transport.get_stream(url, None, None, None, HashMap::new()))
                        .await
                }
                _ => {
                    drop_once_arrived(
                        &origin,
                        transport.delete_session(url, "s".into(), None, HashMap::new()),
                    )
                    .await
                }
            }
            let request = origin.request(0).await;
            assert_eq!(request.method(), method);
            assert_eq!(request.wait_ended().await, Outcome::Abandoned, "{place}: {method}");
        }
    }
}
