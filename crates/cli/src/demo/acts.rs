use super::{
    origin::Origin,
    timeline::{Event, Notes, Party},
};
use crate::{failure::Failure, request};
use Party::{Executor, Orchestrator};
use afield_client::HttpClient;
use afield_exchange::{Error, Kind, Request};
use std::time::{Duration, Instant};

/// How long the origin's socket may take to close after a cancel before the demo goes on without it.
const LAST_WORD: Duration = Duration::from_secs(2);
/// An address that every executor refuses by default: cloud machines hand out credentials there.
const METADATA: &str = "http://169.254.169.254/latest/meta-data/";

/// Plays all acts, one after the other.
pub(super) async fn play(
    http: &dyn HttpClient,
    origin: &Origin,
    executor: &str,
    notes: &Notes,
) -> Result<(), Failure> {
    let failed = |error: Error| request::failure(&error, &origin.url("/"));
    introduce(origin, executor, notes).await;
    buffered(http, origin, notes).await.map_err(failed)?;
    live(http, origin, notes).await.map_err(failed)?;
    cancelled(http, origin, notes).await.map_err(failed)?;
    refused(http, notes).await;
    conclude(notes).await;
    Ok(())
}

async fn introduce(origin: &Origin, executor: &str, notes: &Notes) {
    let pid = std::process::id();
    notes
        .text("afield performs HTTP where the network is: an orchestrator asks, an executor performs.")
        .await;
    notes.text(format!("Here all parts run in one process ({pid}) and talk over real sockets.\n")).await;
    let parties = ["this command".to_owned(), executor.to_owned(), format!("http://{}", origin.address)];
    notes.write(Event::Parties(parties)).await;
}

async fn buffered(http: &dyn HttpClient, origin: &Origin, notes: &Notes) -> Result<(), Error> {
    notes.write(Event::Act("1. A call: the whole answer at once".into())).await;
    let began = Instant::now();
    notes.arrow(Orchestrator, Executor, "GET /greeting").await;
    let answer = http.call(Request::get(origin.url("/greeting"))).await?;
    let text = String::from_utf8_lossy(&answer.body);
    notes.arrow(Executor, Orchestrator, format!("{}, {:?}", answer.head.status, text.trim_end())).await;
    notes.try_note(Orchestrator, format!("answered in {:.1} ms", began.elapsed().as_secs_f64() * 1000.0));
    Ok(())
}

async fn live(http: &dyn HttpClient, origin: &Origin, notes: &Notes) -> Result<(), Error> {
    notes.write(Event::Act("2. A stream: every event the moment it happens".into())).await;
    notes.arrow(Orchestrator, Executor, "GET /events/4").await;
    let mut response = http.stream(Request::get(origin.url("/events/4"))).await?;
    notes.arrow(Executor, Orchestrator, format!("{}, the body follows", response.head.status)).await;
    while let Some(piece) = response.body.next().await {
        notes.arrow(Executor, Orchestrator, data_of(&piece?)).await;
    }
    notes.try_note(Orchestrator, "the stream has ended");
    Ok(())
}

async fn cancelled(http: &dyn HttpClient, origin: &Origin, notes: &Notes) -> Result<(), Error> {
    notes.write(Event::Act("3. A cancel: it goes through to the origin's socket".into())).await;
    notes.arrow(Orchestrator, Executor, "GET /events/1000").await;
    let mut response = http.stream(Request::get(origin.url("/events/1000"))).await?;
    for _ in 0..2 {
        if let Some(piece) = response.body.next().await {
            notes.arrow(Executor, Orchestrator, data_of(&piece?)).await;
        }
    }
    notes.arrow(Orchestrator, Executor, "enough: cancel").await;
    drop(response);
    if tokio::time::timeout(LAST_WORD, origin.closed()).await.is_err() {
        notes.try_note(Party::Origin, "the socket is still open");
    }
    Ok(())
}

async fn refused(http: &dyn HttpClient, notes: &Notes) {
    notes.write(Event::Act("4. A refusal: the executor's operator decides what can be reached".into())).await;
    notes.arrow(Orchestrator, Executor, "GET http://169.254.169.254/…").await;
    match http.call(Request::get(METADATA)).await {
        Err(error) if error.kind() == Kind::PolicyDenied => {
            notes.try_note(Executor, "cloud metadata: nothing is sent");
            notes.arrow(Executor, Orchestrator, "policy_denied, a retry is pointless").await;
        }
        Err(error) => notes.arrow(Executor, Orchestrator, error.message().to_owned()).await,
        Ok(answer) => notes.arrow(Executor, Orchestrator, format!("{}", answer.head.status)).await,
    }
}

async fn conclude(notes: &Notes) {
    let next = "\nNow yours. Where the network is:\n\
        \x20   afield serve\n\
        and from anywhere that reaches it (through ssh -L, say):\n\
        \x20   afield request --executor ws://127.0.0.1:7411 -v http://SOME-SERVICE/\n\
        `afield request --help` lists the flags; they are curl's.";
    notes.text(next).await;
}

/// What a server-sent event says.
fn data_of(piece: &[u8]) -> String {
    let text = String::from_utf8_lossy(piece);
    let data = text.lines().find_map(|line| line.strip_prefix("data: "));
    data.map_or_else(|| format!("{} bytes", piece.len()), |data| format!("data: {data}"))
}
