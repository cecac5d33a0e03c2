//! Follows an event stream through an executor, and comes back after each loss.
//!
//! ```text
//! cargo run --example sse -- http://127.0.0.1:8080/events ws://127.0.0.1:7411
//! ```

use afield_client::{HttpClient, Remote, RemoteConfig};
use afield_exchange::{Kind, Request};
use std::{error::Error, io::Write};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(executor)) = (arguments.next(), arguments.next()) else {
        return Err("usage: sse URL EXECUTOR".into());
    };
    let remote = Remote::connect(RemoteConfig::new(executor)).await?;
    loop {
        match follow(&remote, &url).await {
            // A lost connection is replaced by the next exchange. Asking for a stream again does no harm.
            Err(error) if error.kind() == Kind::SessionLost => eprintln!("{error}"),
            ended => return Ok(ended?),
        }
    }
}

/// Prints the stream's bytes as they come, until it ends. Dropping the future ends it at the origin.
async fn follow(client: &dyn HttpClient, url: &str) -> Result<(), afield_exchange::Error> {
    let request = Request::get(url).header("accept", "text/event-stream");
    let mut response = client.stream(request).await?;
    while let Some(bytes) = response.body.next().await {
        let mut out = std::io::stdout().lock();
        // Nobody left to print for: the stream ends with the body.
        if out.write_all(&bytes?).and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    Ok(())
}
