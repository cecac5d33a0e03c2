//! `afield serve`: an executor, until it is told to stop.

mod access;
mod flags;
mod limits;
mod plan;

use crate::{ExitCode, failure::Failure, signals::Signals, start::report};
use afield_executor::{Executor, Reloader, StartError};
use std::io::Write;

pub(crate) use flags::Flags;

/// Runs the executor and answers with the exit code once it has drained.
pub(crate) async fn run(flags: Flags, signals: Signals) -> ExitCode {
    match serve(flags, signals).await {
        Ok(()) => ExitCode::Success,
        Err(failure) => report(&failure),
    }
}

async fn serve(flags: Flags, signals: Signals) -> Result<(), Failure> {
    let config = plan::config(flags)?;
    let authentication = config.authentication.mode();
    let policy = config.egress.policy.parts().0;
    let reloader = config.reloader.clone();
    let executor = Executor::bind(config).await.map_err(|error| cannot_start(&error))?;
    match executor.url() {
        Some(url) => {
            // For whoever started this and gave port 0. On stdio, standard output belongs to the protocol.
            let _ = writeln!(std::io::stdout(), "{url}");
            tracing::info!(%url, authentication, %policy, "listening");
        }
        None => tracing::info!(%policy, "serving on standard input and output"),
    }
    tokio::select! {
        () = executor.run(signals.token()) => Ok(()),
        failed = hang_ups(&reloader) => failed,
    }
}

/// Has files read again at each SIGHUP. Ends only if it cannot listen for it.
async fn hang_ups(reloader: &Reloader) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hang_up = signal(SignalKind::hangup()).map_err(|error| {
        Failure::new(ExitCode::Internal, format!("could not listen for signals: {error}"))
    })?;
    while hang_up.recv().await.is_some() {
        reloader.reload();
    }
    std::future::pending().await
}

fn cannot_start(error: &StartError) -> Failure {
    let usage = || Failure::new(ExitCode::ServeUsage, error.to_string());
    match error {
        StartError::Bind { .. } => Failure::new(ExitCode::ServeUnavailable, error.to_string())
            .with_hint("is another executor running there? `--listen ws://127.0.0.1:0` picks a free port"),
        StartError::BindUnix { .. } => Failure::new(ExitCode::ServeUnavailable, error.to_string())
            .with_hint("is another executor running there? its directory must exist and be writable"),
        StartError::Exposed { .. } => usage().with_hint(
            "listen on a loopback address such as 127.0.0.1 and let a tunnel carry it; or give --token-file (see `afield token new`) \
             and --tls-certificate with --tls-key, or --tls-terminated-in-front if something else speaks TLS for it",
        ),
        _ => usage(),
    }
}
