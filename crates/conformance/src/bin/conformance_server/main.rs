//! An MCP server that implements what the conformance suite's server scenarios ask for.
//!
//! `conformance-server [ADDRESS]` listens there (`127.0.0.1:0` unless told; loopback only) and prints its URL, which ends in
//! `/mcp`, as its only line.

#![expect(deprecated, reason = "what the older revision has and the newer has not is deprecated")]

mod http;
mod input;
mod legacy;
mod prompts;
mod resources;
mod server;
mod tools;
mod typed;

use std::{
    io::{self, Write},
    net::SocketAddr,
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let address: SocketAddr =
        address.parse().map_err(|error| io::Error::other(format!("{address}: {error}")))?;
    if !address.ip().is_loopback() {
        return Err(io::Error::other(format!("{address} can be reached from other machines")));
    }
    let listener = TcpListener::bind(address).await?;
    let mut out = io::stdout();
    writeln!(out, "http://{}/mcp", listener.local_addr()?)?;
    out.flush()?;
    http::serve(listener).await
}
