use super::{Behaviour, Bench, decode, differs, request::values, same, sum_up};
use afield_testkit::{RawOrigin, Script};
use serde_json::{Value, json};

const TEXT: &[u8] = b"hello hello hello\n";
const GZIP: &str = "1f8b0800000000000203cb48cdc9c957c840905c003b7c8adf12000000";
const ZSTD: &str = "28b52ffd201291000068656c6c6f2068656c6c6f2068656c6c6f0a";
const DEFLATE: &str = "789ccb48cdc9c957c840905c0040b50687";
const BROTLI: &str = "8b088068656c6c6f2068656c6c6f2068656c6c6f0a03";
/// In two members.
const MEMBERS: &str = "1f8b0800000000000203cb48cdc9c9070086a61036050000001f8b080000000000020353c848cdc9c957\
    00935c00bda1d5830d000000";
const TWICE: &str = "1f8b080000000000020393efe660000126e6d31e674f9e0c3fe1302186c1baa6ebbe10501000b9197907\
    1d000000";

const DECODED: &str = "decoded, without content-encoding and content-length";
const AS_IT_CAME: &str = "passed as it came";

pub fn behaviours() -> Vec<Behaviour> {
    vec![
        differs(
            "a `GET` that names no codings",
            "no accept-encoding goes out",
            "accept-encoding: zstd,gzip",
            "what goes out is what the caller said",
            async |bench: &Bench| bench.echo(json!({})).await.header("accept-encoding"),
        ),
        same(
            "a body in `gzip` or `zstd` for a caller that names no codings",
            DECODED,
            async |bench: &Bench| all(bench, &[("gzip", GZIP), ("zstd", ZSTD)]).await,
        ),
        differs(
            "a body in `deflate`, `br`, `x-gzip` or two codings for a caller that names none",
            DECODED,
            AS_IT_CAME,
            "a caller that names no codings reads none",
            async |bench: &Bench| {
                let codings = [("deflate", DEFLATE), ("br", BROTLI), ("x-gzip", GZIP), ("gzip, gzip", TWICE)];
                all(bench, &codings).await
            },
        ),
        differs(
            "a body of several `gzip` members",
            DECODED,
            "the first member, and a clean end",
            "RFC 1952, section 2.2: the members are one body",
            async |bench: &Bench| all(bench, &[("gzip", MEMBERS)]).await,
        ),
        differs(
            "a body in a coding for a caller that names codings",
            AS_IT_CAME,
            DECODED,
            "who names codings wants the bytes",
            async |bench: &Bench| {
                let named = json!({ "headers": [{ "name": "accept-encoding", "value": "gzip" }] });
                seen(&answer(bench, "200 OK", "gzip", GZIP, named).await, GZIP)
            },
        ),
        differs(
            "a slice (206) of a body in a coding",
            AS_IT_CAME,
            "-32603 `failed to read http/request response body:`",
            "a slice of encoded bytes decodes to nothing",
            async |bench: &Bench| {
                let slice = &GZIP[..40];
                seen(&answer(bench, "206 Partial Content", "gzip", slice, json!({})).await, slice)
            },
        ),
        differs(
            "`HEAD` of a body in a coding",
            "content-encoding and content-length",
            "neither",
            "RFC 9110, section 9.3.2: `HEAD` tells what `GET` would",
            async |bench: &Bench| {
                let answer = answer(bench, "200 OK", "gzip", GZIP, json!({ "method": "HEAD" })).await;
                match (values(&answer, "content-encoding").len(), values(&answer, "content-length").len()) {
                    (1, 1) => "content-encoding and content-length".to_owned(),
                    (0, 0) => "neither".to_owned(),
                    _ => answer.to_string(),
                }
            },
        ),
    ]
}

/// What becomes of all of these, each in its coding.
async fn all(bench: &Bench, bodies: &[(&str, &str)]) -> String {
    let mut all = Vec::new();
    for (coding, hex) in bodies {
        all.push(seen(&answer(bench, "200 OK", coding, hex, json!({})).await, hex));
    }
    all.dedup();
    all.join(", or ")
}

/// The answer to a request whose origin says these bytes in this coding.
async fn answer(bench: &Bench, status: &str, coding: &str, hex: &str, mut changes: Value) -> Value {
    let length = hex.len() / 2;
    let head = format!("HTTP/1.1 {status}\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n");
    let bytes = if changes["method"] == "HEAD" { Vec::new() } else { bytes(hex) };
    let origin = RawOrigin::always(Script::answering([head.as_bytes(), &bytes].concat())).await;
    changes["url"] = json!(origin.url("/"));
    bench.dial().await.call("http/request", bench.get("", changes)).await
}

/// What became of the body that came as these bytes.
fn seen(answer: &Value, came: &str) -> String {
    let body = answer["result"]["bodyBase64"].as_str().map(decode).unwrap_or_default();
    let is_told = values(answer, "content-encoding").len() + values(answer, "content-length").len();
    match is_told {
        0 if body == TEXT => DECODED.to_owned(),
        0 if !body.is_empty() && TEXT.starts_with(&body) => "the first member, and a clean end".to_owned(),
        2 if body == bytes(came) => AS_IT_CAME.to_owned(),
        _ => sum_up(answer),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
