//! Streams that are quiet for long.

use crate::support::{Places, read};
use afield_mcp::HttpTransport;
use afield_testkit::{RawOrigin, Script};
use rmcp::transport::streamable_http_client::StreamableHttpClient;
use std::{collections::HashMap, time::Duration};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const COMMENT: &str = ": still here\n\n";
const MINUTE: Duration = Duration::from_secs(60);

/// What is read of a stream that this script sends, with the clock running ahead whenever nothing else is to be done.
async fn read_ahead(transport: &HttpTransport, script: Script) -> String {
    let origin = RawOrigin::always(script).await;
    let url = origin.url("/mcp").into();
    let events = transport.get_stream(url, None, None, None, HashMap::new()).await.unwrap();
    tokio::time::pause();
    let told = read(events).await;
    tokio::time::resume();
    told
}

/// Proves case 112: a stream kept alive by comments for ten minutes lives, idle deadline or not; one that is silent ends by
/// the idle deadline if one was asked, and lives if none was.
#[tokio::test]
async fn case_112_comments_keep_a_stream_alive_and_silence_ends_it_only_if_asked() {
    let places = Places::start().await;
    let kept_alive =
        || Script::new().expect_request().send(HEAD).drip(COMMENT.repeat(10), COMMENT.len(), MINUTE);
    let silent = || Script::new().expect_request().send(HEAD).drip("data: late\n\n", 99, 10 * MINUTE);
    for (place, transport) in places.each() {
        let bounded = transport.clone().with_idle_timeout(MINUTE + MINUTE / 2);
        let last = |script: Script| script.send("data: late\n\n").close();
        let late = read_ahead(transport, last(kept_alive())).await;
        assert!(late.contains("late"), "{place}: {late}");
        assert_eq!(read_ahead(&bounded, last(kept_alive())).await, late, "{place}");
        assert_eq!(read_ahead(&bounded, silent().close()).await, "[\"body failed\"]", "{place}");
        assert_eq!(read_ahead(transport, silent().close()).await, late, "{place}");
    }
}
