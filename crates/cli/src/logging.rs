use crate::{
    ExitCode,
    console::{Stream, log_sink},
    failure::Failure,
};
use std::str::FromStr;
use tracing::subscriber::set_global_default;
use tracing_subscriber::{
    Layer,
    filter::{FilterExt, LevelFilter, Targets, filter_fn},
    layer::SubscriberExt,
    registry,
};

mod lines;

/// The log, until it is finished.
pub(crate) struct Logging(Option<lines::Writer>);

impl Logging {
    /// Waits a moment for what is still to be written. A stderr that nobody reads is not waited for.
    pub fn finish(self) {
        if let Some(writer) = self.0 {
            writer.finish();
        }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object: `timestamp`, `level`, `target`, `fields`, and the `spans` around it, outermost first.
    Json,
}

/// Sends log events that pass `filter` to stderr, a line each. A stderr that is not read delays nobody: lines that do
/// not fit the queue are dropped and counted, and the count is logged once stderr is read again.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<Logging, Failure> {
    let targets = targets(filter)?;
    if targets == Targets::from_str("off").unwrap_or_default() {
        return Ok(Logging(None));
    }
    let writer = lines::Writer::start(log_sink(), format);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer.handle());
    // With the hint, what no level asks for costs one comparison.
    let shown = filter_fn(|event| !logs_messages(event.target())).with_max_level_hint(LevelFilter::TRACE);
    let shown = targets.and(shown);
    // Fails only where a subscriber is set already, as in a test: then that one is kept.
    let _ = match format {
        LogFormat::Text => {
            let colours =
                Stream::Err.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            set_global_default(registry().with(lines.with_ansi(colours).with_filter(shown)))
        }
        LogFormat::Json => set_global_default(registry().with(lines.json().with_filter(shown))),
    };
    Ok(Logging(Some(writer)))
}

/// Whether a filter is understood.
pub(crate) fn check(filter: &str) -> Result<(), Failure> {
    targets(filter).map(drop)
}

fn targets(filter: &str) -> Result<Targets, Failure> {
    parse(filter).map_err(|why| {
        Failure::new(ExitCode::Usage, format!("the log filter {filter:?} is not understood: {why}"))
            .with_hint(
                "write off, error, warn, info, debug or trace, or targets such as info,afield_egress=debug",
            )
    })
}

/// Whether this logs whole messages, with the arguments and results of tools, which are nobody else's to read.
fn logs_messages(target: &str) -> bool {
    target == "rmcp" || target.starts_with("rmcp::")
}

/// A word alone is a level: taken as a target, a misspelt level would silence the log.
fn parse(filter: &str) -> Result<Targets, String> {
    for word in filter.split(',').map(str::trim).filter(|word| !word.contains('=')) {
        LevelFilter::from_str(word).map_err(|_| format!("{word:?} is not a level"))?;
    }
    Targets::from_str(filter).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// Proves which filters are understood, and that a misspelt level is not taken for a target.
    #[test]
    fn a_misspelt_level_is_refused() {
        for understood in ["off", "INFO", "info,afield_egress=debug", "afield_egress=off"] {
            assert!(parse(understood).is_ok(), "{understood}");
        }
        for refused in ["verbose", "info,afield_egress", "afield_egress=loud"] {
            assert!(parse(refused).is_err(), "{refused}");
        }
    }
}
