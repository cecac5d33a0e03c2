//! `afield serve`: an executor, until it is told to stop.

mod access;
mod audit;
mod check;
mod flags;
mod held;
mod limits;
mod memory;
mod names;
mod offers;
mod places;
mod plan;
mod reload;
mod rules;
mod ways;

use crate::{
    ExitCode,
    config_flags::failure,
    console::{print, report},
    failure::Failure,
    logging::LogFormat,
    signals::Signals,
};
use afield_config::{Config, Format, Problem, Serving, Variables};
use afield_executor::{AuditLog, Executor, Reloader, StartError};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) use access::AccessFlags;
pub(crate) use check::check;
pub(crate) use flags::Flags;
pub(crate) use memory::Memory;
pub(crate) use names::Names;
pub(crate) use places::Places;
pub(crate) use plan::preset;

/// What `afield serve` was told, by flags, variables and a file.
pub(crate) struct Told {
    flags: Flags,
    said: Serving,
    file: Option<PathBuf>,
    /// What is worth a word about the file.
    warnings: Vec<Problem>,
}

/// What a file says of an executor, and what is worth a word: the file that is named, else the one that is found.
fn said(file: Option<&Path>) -> Result<(Serving, Vec<Problem>), Failure> {
    read(file).map(|(_, said, warnings)| (said, warnings))
}

fn read(file: Option<&Path>) -> Result<(Option<PathBuf>, Serving, Vec<Problem>), Failure> {
    let config = Config::load(file, &Variables::of_process()).map_err(|error| failure(&error))?;
    if config.format != Format::Afield {
        let what = "this is the file of another program, which says nothing of an executor";
        return Err(Failure::new(ExitCode::Config, what).with_hint("name afield's own file with --config"));
    }
    Ok((config.file, config.serving, config.warnings))
}

impl Told {
    /// Reads the configuration, if there is one.
    pub fn of(flags: Flags) -> Result<Self, Failure> {
        let nowhere = flags.config.location().is_err();
        if nowhere {
            return Ok(Self { flags, said: Serving::default(), file: None, warnings: Vec::new() });
        }
        let (file, said, warnings) = read(flags.config.config.as_deref())?;
        Ok(Self { flags, said, file, warnings })
    }

    /// What is to be logged, if the file says so.
    pub fn log(&self) -> Option<&str> {
        self.said.log.as_deref()
    }

    /// How a line of the log looks, if the file says so.
    pub fn log_format(&self) -> Option<LogFormat> {
        self.said.log_format.map(|word| if word == "json" { LogFormat::Json } else { LogFormat::Text })
    }
}

/// Runs the executor and answers with the exit code once it has drained.
pub(crate) async fn run(told: Told, signals: Signals) -> ExitCode {
    match serve(told, signals).await {
        Ok(()) => ExitCode::Success,
        Err(failure) => report(&failure),
    }
}

async fn serve(told: Told, signals: Signals) -> Result<(), Failure> {
    let Told { flags, said, file, warnings } = told;
    let warned = check(&flags, &said, file.as_deref(), None).at_start()?;
    warnings.iter().map(ToString::to_string).chain(warned).for_each(|what| tracing::warn!("{what}"));
    let plan::Plan { config, tokens, audit } = plan::plan(flags.clone(), &said)?;
    let authentication = config.authentication.mode();
    let policy = config.egress.policy.parts().0;
    let reloader = config.reloader.clone();
    let offers = config.offers.clone();
    let executor = Executor::bind(config).await.map_err(|error| cannot_start(&error))?;
    if let Some(file) = file {
        let names = Names::new(flags.access.clone().or(&said.serve).kinds());
        let running = said.clone();
        let egress = executor.egress().clone();
        let mut again =
            reload::Again { file: file.clone(), flags, said, running, egress, offers, names, tokens };
        reloader.watch("configuration", vec![file], move || again.read());
    }
    if let Some(log) = audit.clone() {
        reloader.watch("audit", Vec::new(), move || log.reopen());
    }
    // From now on, and before anybody knows that it serves: SIGHUP would end a process that does not listen for it.
    let hang_up = signal(SignalKind::hangup()).map_err(|error| {
        Failure::new(ExitCode::Internal, format!("could not listen for signals: {error}"))
    })?;
    match executor.url() {
        Some(url) => {
            // For whoever started this and gave port 0. On stdio, standard output belongs to the protocol.
            let _ = print(format!("{url}\n"));
            tracing::info!(%url, authentication, %policy, "listening");
        }
        None => tracing::info!(%policy, "serving on standard input and output"),
    }
    if let Some(url) = executor.admin_url() {
        tracing::info!(%url, "/livez and /readyz are answered here too");
    }
    let ended = tokio::select! {
        stopped = executor.run_to_end(signals.token()) => match stopped.unanswered {
            0 => Ok(()),
            1 => Err(unanswered("1 answer was")),
            many => Err(unanswered(&format!("{many} answers were"))),
        },
        () = hang_ups(hang_up, &reloader) => Ok(()),
    };
    if let Some(log) = audit {
        finish(log).await;
    }
    ended
}

fn unanswered(how_many: &str) -> Failure {
    let what = format!("{how_many} owed when standard input ended, and could not be written whole");
    Failure::new(ExitCode::ServeCut, what)
        .with_hint("--grace sets how long they may take after the end of input")
}

/// Gives the last lines of the audit a moment to be written.
async fn finish(log: Arc<AuditLog>) {
    let _ = tokio::task::spawn_blocking(move || log.finish()).await;
}

/// Has files read again at each SIGHUP, for ever.
async fn hang_ups(mut hang_up: Signal, reloader: &Reloader) {
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
        StartError::Admin { .. } => usage().with_hint("write 127.0.0.1:7419, or unix:/run/afield-admin.sock"),
        _ => usage(),
    }
}
