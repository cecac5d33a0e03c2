//! One request, performed here or by an executor.
//!
//! ```text
//! cargo run --example call -- https://example.com/
//! cargo run --example call -- https://example.com/ ws://127.0.0.1:7411
//! ```

use afield_client::{HttpClient, Local, Remote, RemoteConfig};
use afield_egress::EgressConfig;
use afield_exchange::Request;
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: call URL [EXECUTOR]")?;
    let client: Box<dyn HttpClient> = match arguments.next() {
        None => Box::new(Local::new(EgressConfig::default())?),
        Some(executor) => Box::new(Remote::connect(RemoteConfig::new(executor)).await?),
    };

    let answer = client.call(Request::get(url)).await?;
    println!("{}", answer.head.status);
    for header in &answer.head.headers {
        println!("{}: {}", header.name, header.value.escape_ascii());
    }
    println!("{} bytes", answer.body.len());
    Ok(())
}
