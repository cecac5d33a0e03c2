//! Echoes every message: the program that WebSocket conformance suites are pointed at.
//!
//! ```text
//! echo server [ADDRESS]   accepts connections and echoes; prints its address
//! echo client URL         runs the cases of an Autobahn fuzzing server, echoing in each
//! ```

use afield_exchange::Limits;
use afield_transport::{
    Acceptor, Closed, Connection, DialConfig, Message, NoAuthentication, Readiness, Received, dial,
};
use std::{error::Error, time::Duration};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

const AGENT: &str = "afield";
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server"] => serve("127.0.0.1:0").await,
        ["server", address] => serve(address).await,
        ["client", url] => run_cases(url.trim_end_matches('/')).await,
        _ => Err("usage: echo server [ADDRESS] | echo client URL".into()),
    }
}

/// Serves until standard input ends.
async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    let no_names: [&str; 0] = [];
    let acceptor = Acceptor::new(NoAuthentication, no_names, Readiness::new(), &Limits::default());
    let mut connections = JoinSet::new();
    let mut input = tokio::io::stdin();
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, peer) = accepted?;
                stream.set_nodelay(true)?;
                connections.spawn(serve_one(acceptor.clone(), stream, peer));
            }
            Some(_) = connections.join_next() => {}
            read = input.read(&mut ignored) => {
                if read? == 0 {
                    return Ok(());
                }
            }
        }
    }
}

async fn serve_one(acceptor: Acceptor, stream: TcpStream, peer: std::net::SocketAddr) {
    match acceptor.accept(stream, peer).await {
        Ok(mut accepted) => echo(&mut accepted.connection).await,
        Err(refused) => eprintln!("{refused}"),
    }
}

async fn run_cases(url: &str) -> Result<(), Box<dyn Error>> {
    let count = case_count(url).await?;
    for case in 1..=count {
        match dial(&DialConfig::new(format!("{url}/runCase?case={case}&agent={AGENT}"))).await {
            Ok(mut connection) => echo(&mut connection).await,
            Err(error) => eprintln!("case {case}: {error}"),
        }
    }
    let mut report = dial(&DialConfig::new(format!("{url}/updateReports?agent={AGENT}"))).await?;
    echo(&mut report).await;
    Ok(())
}

async fn case_count(url: &str) -> Result<u32, Box<dyn Error>> {
    let mut connection = dial(&DialConfig::new(format!("{url}/getCaseCount"))).await?;
    let Received::Message(Message::Text(count)) = connection.receive().await? else {
        return Err("the fuzzing server did not tell how many cases it has".into());
    };
    echo(&mut connection).await;
    Ok(std::str::from_utf8(&count)?.trim().parse()?)
}

async fn echo<C: Connection>(connection: &mut C) {
    let Err(_closed) = echo_messages(connection).await;
    // A peer that never ends is dropped.
    let _ = timeout(CLOSE_WITHIN, connection.closed()).await;
}

async fn echo_messages<C: Connection>(connection: &mut C) -> Result<std::convert::Infallible, Closed> {
    loop {
        if let Received::Message(message) = connection.receive().await? {
            connection.send_all(message).await?;
        }
    }
}
