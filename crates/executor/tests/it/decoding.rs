//! Bodies that an origin compressed unasked, in the base dialect.

use crate::support::{Base, Running, body, get};
use afield_client::{Dialect, HttpClient, Remote, RemoteConfig};
use afield_exchange::Request;
use afield_testkit::{RawOrigin, Script};
use serde_json::{Value, json};

const TEXT: &[u8] = b"hello hello hello\n";
/// `TEXT` in each coding, in one of several members, and in two of them.
const CODINGS: [(&str, &str); 7] = [
    ("gzip", "1f8b0800000000000203cb48cdc9c957c840905c003b7c8adf12000000"),
    ("deflate", "789ccb48cdc9c957c840905c0040b50687"),
    ("zstd", "28b52ffd201291000068656c6c6f2068656c6c6f2068656c6c6f0a"),
    ("br", "8b088068656c6c6f2068656c6c6f2068656c6c6f0a03"),
    (
        "x-gzip",
        "1f8b0800000000000203cb48cdc9c9070086a61036050000001f8b0800000000000203030000000000000000001f8b08\
        0000000000020353c848cdc9c95700935c00bda1d5830d000000",
    ),
    (
        "gzip, gzip",
        "1f8b080000000000020393efe660000126e6d31e674f9e6467685b260000c5764418140000001f8b0800000000000203\
        336365606090efe660000126666606184088059ff0387bf26438c3e41886bd0baf36f30205012422739e36000000",
    ),
    ("deflate, gzip", "1f8b0800000000000203abb875dae3ecc993e1271c26c430386c656b07005a9adfd611000000"),
];

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

async fn origin(status: &str, coding: &str, bytes: &[u8]) -> RawOrigin {
    let length = bytes.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-encoding: {coding}\r\nx-other: 1\r\ncontent-length: {length}\r\n\r\n"
    );
    RawOrigin::always(Script::answering([head.as_bytes(), bytes].concat())).await
}

fn names(answer: &Value) -> Vec<String> {
    let headers = answer["result"]["headers"].as_array().unwrap();
    headers.iter().map(|header| header["name"].as_str().unwrap().to_lowercase()).collect()
}

/// Proves that a caller of the base dialect that names no codings gets the body as it was, whole or streamed, and neither
/// field that is about the bytes (case 166).
#[tokio::test]
async fn base_decodes_what_an_origin_compressed_unasked() {
    let executor = Running::start().await;
    let mut peer = executor.connect().await;
    for (coding, bytes) in CODINGS {
        let origin = origin("200 OK", coding, &hex(bytes)).await;
        let answer = peer.request(get(origin.url("/"))).await;
        assert_eq!(body(&answer), TEXT, "{coding}");
        let names = names(&answer);
        assert!(
            names.contains(&"x-other".to_owned()) && !names.iter().any(|name| name.starts_with("content-")),
            "{names:?}"
        );
        let head = peer.open_stream(origin.url("/"), coding).await;
        assert_eq!(head["status"], 200, "{head}");
        let mut all = Vec::new();
        loop {
            let delta = peer.delta(coding).await;
            assert!(delta.error.is_none(), "{delta:?}");
            all.extend(delta.bytes);
            if delta.done {
                break;
            }
        }
        assert_eq!(all, TEXT, "{coding}");
    }
}

/// Proves that the bytes are handed on as they came to a caller that names codings, of a slice, of codings nobody knows, and
/// that what decodes to too much is an error (case 166).
#[tokio::test]
async fn base_hands_on_bytes_where_it_must_not_decode() {
    let executor = Running::limited(|limits| limits.buffered_body_bytes = 64).await;
    let mut peer = executor.connect().await;
    let bytes = hex(CODINGS[0].1);
    let compressed = origin("200 OK", "gzip", &bytes).await;
    let mut named = get(compressed.url("/"));
    named["headers"] = json!([{"name": "Accept-Encoding", "value": "gzip"}]);
    let slice = origin("206 Partial Content", "gzip", &bytes).await;
    let unknown = origin("200 OK", "lzma", &bytes).await;
    for params in [named, get(slice.url("/")), get(unknown.url("/"))] {
        let answer = peer.request(params).await;
        assert_eq!(body(&answer), bytes, "{answer}");
        assert!(names(&answer).contains(&"content-encoding".to_owned()));
    }
    // 4 KiB of zeros.
    let bomb = origin(
        "200 OK",
        "gzip",
        &hex("1f8b0800000000000203edc1010d000000c2a0f74f6d0f0714000000f06e11001cc700100000"),
    )
    .await;
    let answer = peer.request(get(bomb.url("/"))).await;
    assert!(answer["error"].is_object(), "{answer}");
}

/// Proves that afield's own client gets the bytes in either dialect, and says `identity` in the base dialect where its caller
/// says nothing: executors of that family add codings of their own (cases 166 and 167).
#[tokio::test]
async fn own_clients_get_the_bytes_and_say_identity_in_base() {
    let executor = Running::start().await;
    let bytes = hex(CODINGS[0].1);
    for (dialect, said) in [(Dialect::Base, Some("identity")), (Dialect::Auto, None)] {
        let origin = origin("200 OK", "gzip", &bytes).await;
        let config = RemoteConfig { dialect, ..RemoteConfig::new(executor.url.clone()) };
        let client = Remote::connect(config).await.unwrap();
        let answer = client.call(Request::get(origin.url("/"))).await.unwrap();
        assert_eq!(answer.body, bytes);
        let asked = origin.connection(0).await.received();
        let asked = String::from_utf8_lossy(&asked).to_lowercase();
        assert_eq!(asked.contains("accept-encoding: identity"), said.is_some(), "{asked}");
        assert_eq!(asked.contains("accept-encoding"), said.is_some(), "{asked}");
        let other = self::origin("200 OK", "gzip", &bytes).await;
        client.call(Request::get(other.url("/")).header("accept-encoding", "br")).await.unwrap();
        let asked = String::from_utf8_lossy(&other.connection(0).await.received()).to_lowercase();
        assert!(asked.contains("accept-encoding: br"), "{asked}");
    }
}
