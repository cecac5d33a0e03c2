//! A client small enough to trust.

use afield_testkit::within;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Opens a connection and sends `bytes`.
pub async fn dial(address: SocketAddr, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// Everything the other side sends until it closes.
pub async fn rest(mut stream: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    within("the answer ends", stream.read_to_end(&mut bytes)).await.unwrap();
    bytes
}

/// What comes up to and including `mark`.
pub async fn until(stream: &mut (impl tokio::io::AsyncRead + Unpin), mark: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(mark.as_bytes()) {
        bytes.push(within(format!("{mark:?} comes"), stream.read_u8()).await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

/// Sends one request and returns the whole answer as text; the request must ask for the connection to be closed.
pub async fn ask(address: SocketAddr, request: &str) -> String {
    String::from_utf8(rest(dial(address, request).await).await).unwrap()
}
