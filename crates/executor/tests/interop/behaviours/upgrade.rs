use super::{Behaviour, Bench, differs, same};
use afield_testkit::within;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub fn behaviours() -> Vec<Behaviour> {
    vec![
        same("an upgrade of `/`", "101", async |bench: &Bench| {
            status(bench, "/", "127.0.0.1", UPGRADE).await
        }),
        same("an upgrade whose `Host` is `localhost`", "101", async |bench: &Bench| {
            status(bench, "/", "localhost", UPGRADE).await
        }),
        same("an upgrade of another path", "404", async |bench: &Bench| {
            status(bench, "/other", "127.0.0.1", UPGRADE).await
        }),
        same("an upgrade with an `Origin`", "403", async |bench: &Bench| {
            status(bench, "/", "127.0.0.1", &format!("{UPGRADE}Origin: null\r\n")).await
        }),
        differs(
            "an upgrade whose `Host` is a foreign name",
            "403",
            "101",
            "a web page may make its own name resolve to a loopback address",
            async |bench: &Bench| status(bench, "/", "evil.test", UPGRADE).await,
        ),
        same("`GET /readyz`", "200", async |bench: &Bench| status(bench, "/readyz", "127.0.0.1", "").await),
        differs(
            "`GET /readyz` with an `Origin`",
            "200",
            "403",
            "the readiness probe reveals nothing, and probes send what they like",
            async |bench: &Bench| {
                status(bench, "/readyz", "127.0.0.1", "Origin: http://probe.test\r\n").await
            },
        ),
    ]
}

/// The status of the answer to a `GET` with exactly these header fields.
async fn status(bench: &Bench, path: &str, host: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(bench.executor).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = [0; 12];
    within("the executor answers the upgrade", stream.read_exact(&mut line)).await.unwrap();
    String::from_utf8_lossy(&line[9..]).into_owned()
}
