//! `afield serve`: an executor, until it is told to stop.

mod flags;
mod limits;
mod plan;

use crate::{ExitCode, failure::Failure, signals::Signals, start::report};
use afield_executor::{Executor, StartError};
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
    let executor = Executor::bind(config).await.map_err(|error| cannot_start(&error))?;
    match executor.url() {
        Some(url) => {
            // For whoever started this and gave port 0. On stdio, standard output belongs to the protocol.
            let _ = writeln!(std::io::stdout(), "{url}");
            tracing::info!(%url, authentication, %policy, "listening");
        }
        None => tracing::info!(%policy, "serving on standard input and output"),
    }
    executor.run(signals.token()).await;
    Ok(())
}

fn cannot_start(error: &StartError) -> Failure {
    match error {
        StartError::Bind { .. } => Failure::new(ExitCode::ServeUnavailable, error.to_string())
            .with_hint("is another executor running there? `--listen ws://127.0.0.1:0` picks a free port"),
        _ => Failure::new(ExitCode::ServeUsage, error.to_string()),
    }
}
