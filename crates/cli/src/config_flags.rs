use crate::console::note;
use crate::{
    ExitCode,
    failure::Failure,
    files::{self, Used},
};
use afield_config::{Config, EditError, LoadError, Location, Problem, Problems, Variables};
use clap::Args;
use std::path::PathBuf;

/// Which configuration a command uses, as typed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct ConfigFlags {
    /// The configuration file: afield's own, or the MCP file of Claude, Cursor, VS Code or Codex. Default: the variable
    /// `AFIELD_CONFIG`, else `afield/config.toml` in the user's configuration folder.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ConfigFlags {
    /// The file that is meant; it need not exist.
    pub fn location(&self) -> Result<Location, Failure> {
        let location = Location::find(self.config.as_deref(), &Variables::of_process());
        location.ok_or_else(|| failure(&LoadError::Nowhere))
    }

    /// What the configuration says. Nothing, where nobody named a file and there is none.
    pub fn load(&self) -> Result<Config, Failure> {
        let config = Config::load(self.config.as_deref(), &Variables::of_process())
            .map_err(|error| failure(&error))?;
        // Whoever can write it has programs started, and tokens sent, as he likes.
        if let Some(file) = &config.file {
            let refused = |why: String| Failure::new(ExitCode::Config, why);
            let warnings = files::check(&Used::Decides(file.clone())).map_err(refused)?;
            warnings.iter().for_each(|what| note!("warning: {what}"));
        }
        Ok(config)
    }
}

/// Why there is no configuration.
pub(crate) fn failure(error: &LoadError) -> Failure {
    match error {
        LoadError::Nowhere => Failure::usage(error.to_string()),
        LoadError::Read { .. } => Failure::new(ExitCode::Read, error.to_string()),
        LoadError::Problems(problems) => unusable(problems),
    }
}

/// A configuration with these problems.
pub(crate) fn unusable(problems: &Problems) -> Failure {
    let count = match problems.iter().count() {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    };
    let file = problems.iter().next().map(|problem| problem.place.file.to_string()).unwrap_or_default();
    Failure::new(ExitCode::Config, format!("the configuration {file} cannot be used: {count}"))
        .with_details(problems.iter().map(Problem::to_string))
}

/// Why a change was not made.
pub(crate) fn not_changed(error: &EditError) -> Failure {
    match error {
        EditError::File { .. } => Failure::new(ExitCode::Write, error.to_string()),
        EditError::Problems(problems) => unusable(problems),
        // Where it would have stood in the file helps nobody: it does not stand there.
        EditError::Refused(problems) => Failure::usage("this makes no sense, and nothing was changed")
            .with_details(
                problems.iter().map(|problem| format!("{}: {}; {}", problem.key, problem.what, problem.fix)),
            ),
        EditError::Exists { .. } => {
            Failure::usage(error.to_string()).with_hint("--replace puts the new one in its place")
        }
        EditError::InUse { .. } => Failure::usage(error.to_string())
            .with_hint("place them elsewhere first, or remove it all the same with --force"),
        EditError::Foreign { .. } | EditError::Missing { .. } => Failure::usage(error.to_string()),
    }
}

/// Prints what works and is worth a word to standard error, one line each.
pub(crate) fn warn<'a>(warnings: impl IntoIterator<Item = &'a Problem>) {
    for warning in warnings {
        note!("warning: {warning}");
    }
}
