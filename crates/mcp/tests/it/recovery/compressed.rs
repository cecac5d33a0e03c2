//! Servers that always compress what they answer, whether or not anybody said that he could read it.

use super::relaying::Host;
use super::scripted::{Asked, Said, Scripted, proper, result};
use afield_client::{Dialect, HttpClient, Local, Remote, RemoteConfig};
use afield_egress::EgressConfig;
use afield_executor::{Config, Executor, Listen};
use afield_mcp::HttpTransport;
use flate2::{Compression, write::GzEncoder, write::ZlibEncoder};
use rmcp::transport::streamable_http_client::{StreamableHttpClient, StreamableHttpPostResponse};
use serde_json::{Value, json};
use std::{collections::HashMap, io::Write, sync::Arc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The answer to `initialize` with the id `init`, in brotli.
const BROTLI_INIT: &str = "1b8000608cd4624d99ee84a06eca57ffcf87b460660801dcb2d461e9d3c901f3bf1d248c5a10c465907ae0268b8446805d\
    a7560eebfd3e278eb5252fe49dbf048ad22878c783c58c983a32d0a07a60e16a9342b9f1091c6c87bb01";
/// An empty result for the id 1, in brotli.
const BROTLI: &str = "8b11807b226a736f6e727063223a22322e30222c226964223a312c22726573756c74223a7b7d7d03";
/// The same as an event, flushed and not ended.
const BROTLI_EVENT: &str =
    "8b1580646174613a207b226a736f6e727063223a22322e30222c226964223a312c22726573756c74223a7b7d7d0a0a";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// In this encoding: whole, or flushed and not ended.
fn encoded(encoding: &str, text: &str, ends: bool) -> Vec<u8> {
    macro_rules! by {
        ($encoder:ident) => {{
            let mut encoder = $encoder::new(Vec::new(), Compression::best());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.flush().unwrap();
            if ends { encoder.finish().unwrap() } else { encoder.get_ref().clone() }
        }};
    }
    match encoding {
        "gzip" => by!(GzEncoder),
        // Members are put one after the other, and the last one need not have ended.
        "x-gzip" => {
            let (first, rest) = text.split_at(9);
            [encoded("gzip", first, true), encoded("gzip", rest, ends)].concat()
        }
        "gzip, gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&encoded("x-gzip", text, ends)).unwrap();
            encoder.flush().unwrap();
            if ends { encoder.finish().unwrap() } else { encoder.get_ref().clone() }
        }
        "deflate" => by!(ZlibEncoder),
        "zstd" => {
            let mut context = zstd_safe::CCtx::create();
            let mut all = vec![0; zstd_safe::compress_bound(text.len()) + 64];
            let mut to = zstd_safe::OutBuffer::around(&mut all[..]);
            let mut from = zstd_safe::InBuffer::around(text.as_bytes());
            context.compress_stream(&mut to, &mut from).unwrap();
            let left = if ends { context.end_stream(&mut to) } else { context.flush_stream(&mut to) };
            assert_eq!(left.unwrap(), 0);
            let length = to.pos();
            all.truncate(length);
            all
        }
        "br" if text.starts_with("data:") => hex(BROTLI_EVENT),
        "br" if text.contains("init") => hex(BROTLI_INIT),
        "br" => hex(BROTLI),
        other => panic!("{other}"),
    }
}

/// A server that does so.
async fn server(encoding: &'static str, events: bool) -> Scripted {
    Scripted::start(move |asked: &Asked, at| {
        let Some(id) = asked.message.get("id") else { return proper(asked, at) };
        let begins = asked.is("initialize");
        let answer = match begins {
            true => result(asked),
            false => json!({"jsonrpc": "2.0", "id": id, "result": {}}),
        };
        let (kind, text) = match events && !begins {
            true => ("text/event-stream", format!("data: {answer}\n\n")),
            false => ("application/json", answer.to_string()),
        };
        let bytes = encoded(encoding, &text, !events || begins);
        Said::Encoded { kind, encoding, session: begins.then(|| "s".into()), bytes, ends: !events || begins }
    })
    .await
}

/// From here, and from executors of either dialect.
async fn clients(running: &mut JoinSet<()>) -> Vec<Arc<dyn HttpClient>> {
    let here: Arc<dyn HttpClient> = Arc::new(Local::new(EgressConfig::default()).unwrap());
    let mut clients = vec![here];
    for dialect in [Dialect::Auto, Dialect::Base] {
        let listen = Listen::Ws(([127, 0, 0, 1], 0).into());
        let executor = Executor::bind(Config { listen, ..Config::default() }).await.unwrap();
        let url = format!("ws://{}", executor.local_addr().unwrap());
        running.spawn(executor.run(CancellationToken::new()));
        let config = RemoteConfig { dialect, ..RemoteConfig::new(url) };
        clients.push(Arc::new(Remote::connect(config).await.unwrap()));
    }
    clients
}

/// Proves that answers in each encoding are read, whole and as events that are flushed on a stream that goes on, by a relay
/// and by the transport, from here and by executors of either dialect (case 165).
#[tokio::test]
async fn compressed_answers_are_read_whole_and_as_events() {
    let mut running = JoinSet::new();
    for client in clients(&mut running).await {
        for encoding in ["gzip", "x-gzip", "gzip, gzip", "deflate", "zstd", "br"] {
            for events in [false, true] {
                let server = server(encoding, events).await;
                let mut host = Host::by(client.clone(), &server.url());
                host.begin().await;
                host.call(1, "count").await;
                let answer = host.hear().await;
                assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 1, "result": {}}), "{encoding} {events}");
                host.end().await.unwrap();
                let transport = HttpTransport::new(client.clone());
                let (url, ping) = (server.url().into(), crate::support::ping());
                let answer = transport.post_message(url, ping, None, None, HashMap::new()).await.unwrap();
                match answer {
                    StreamableHttpPostResponse::Json(message, _) if !events => {
                        assert!(json!(message)["result"].is_object());
                    }
                    StreamableHttpPostResponse::Sse(mut stream, _) if events => {
                        use futures_util::StreamExt;
                        let event = stream.next().await.unwrap().unwrap();
                        let message: Value = serde_json::from_str(&event.data.unwrap()).unwrap();
                        assert!(message["result"].is_object());
                    }
                    _ => panic!("{encoding} {events}"),
                }
            }
        }
    }
}

/// Proves that what decodes to far more than it is, is cut off and told, and that an encoding nobody knows and damaged data
/// are told as what they are (case 165).
#[tokio::test]
async fn compressed_bombs_and_unknown_encodings_are_errors() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..200 {
        bomb.write_all(&[b' '; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    for (encoding, bytes, expected) in [
        ("gzip", bomb, "times its size"),
        ("lzma", b"?".to_vec(), "unknown encoding"),
        ("gzip", b"not gzip".to_vec(), "damaged"),
    ] {
        for kind in ["application/json", "text/event-stream"] {
            let bytes = bytes.clone();
            let server = Scripted::start(move |asked, at| match asked.is("tools/call") {
                true => {
                    let bytes = bytes.clone();
                    Said::Encoded { kind, encoding, session: None, bytes, ends: true }
                }
                false => proper(asked, at),
            })
            .await;
            let mut host = Host::at(&server.url()).await;
            host.call(1, "count").await;
            let answer = host.hear().await;
            assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32000)), "{answer}");
            let said = answer["error"]["message"].as_str().unwrap();
            assert!(kind != "application/json" || said.contains(expected), "{said}");
            host.end().await.unwrap();
        }
    }
}
