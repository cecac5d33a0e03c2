//! `afield demo`: an orchestrator, an executor and an origin on this machine, and what passes between them.

mod acts;
mod drawing;
mod origin;
mod timeline;

use crate::{
    ExitCode,
    console::Stream,
    console::report,
    failure::Failure,
    place::{Place, Reach},
    request::Client,
    signals::Signals,
};
use afield_executor::{Config, Executor, Listen};
use clap::Args;
use origin::Origin;
use std::net::{Ipv4Addr, SocketAddr};
use timeline::Timeline;
use tokio_util::sync::CancellationToken;

/// `afield demo` asks for nothing.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Draw nothing: a line for each event, as when the output is piped.
    #[arg(long)]
    plain: bool,
}

/// Plays the acts and answers with the exit code.
pub(crate) async fn run(flags: Flags, signals: Signals) -> ExitCode {
    let stop = CancellationToken::new();
    let result = tokio::select! {
        result = play(&flags, &stop) => result,
        code = signals.first() => Err(Failure::new(code, "interrupted; everything that was started has ended")),
    };
    stop.cancel();
    match result {
        Ok(()) => ExitCode::Success,
        Err(failure) => report(&failure),
    }
}

async fn play(flags: &Flags, stop: &CancellationToken) -> Result<(), Failure> {
    let mut terminal = Stream::Out.terminal();
    terminal.is_terminal &= !flags.plain;
    let (timeline, notes) = Timeline::new(terminal);
    let origin = Origin::start(notes.clone()).await.map_err(|error| cannot_start(&error))?;
    let config =
        Config { listen: Listen::Ws(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))), ..Config::default() };
    let executor = Executor::bind(config).await.map_err(|error| cannot_start(&error))?;
    let address = executor.local_addr().ok_or_else(|| cannot_start(&"the executor has no address"))?;
    let url = format!("ws://{address}");
    let acts = async {
        let client = Client::at(&Place::Executor(url.clone()), Reach::default(), None, None, None).await?;
        let result = acts::play(client.http(), &origin, &url, &notes).await;
        client.close().await;
        drop(notes);
        result
    };
    // The executor lives as long as the acts; dropped, it ends with everything it has spawned.
    let (result, (), ()) = tokio::join!(
        async {
            let result = acts.await;
            origin.stop().await;
            stop.cancel();
            result
        },
        executor.run(stop.clone()),
        timeline.run(),
    );
    result
}

fn cannot_start(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(ExitCode::ServeUnavailable, format!("the demo cannot start: {error}"))
        .with_hint("it needs free ports on 127.0.0.1, and nothing else")
}
