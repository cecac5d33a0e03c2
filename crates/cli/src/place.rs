use clap::Args;
use std::path::PathBuf;

/// Where a request leaves from, as typed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where it leaves from")]
pub(crate) struct PlaceFlags {
    /// The executor's URL (`ws://…`, `wss://…`), or `local`: this process. Default: local.
    #[arg(long, env = "AFIELD_EXECUTOR", value_name = "URL|local", hide_env_values = true)]
    pub executor: Option<String>,

    /// A file that holds the executor's token. The variable `AFIELD_TOKEN` may hold the token itself.
    #[arg(long, env = "AFIELD_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Certificate authorities to trust instead of the platform's (PEM). The variable `AFIELD_CA_CERTIFICATE` does the same.
    #[arg(long, visible_alias = "cacert", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Where a request leaves from, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// From this process.
    Local,
    /// From the executor at this URL.
    Executor(String),
}

impl PlaceFlags {
    /// What was meant. Nothing, `local` in any case and the empty string are this process.
    pub fn place(&self) -> Place {
        match self.executor.as_deref().map(str::trim) {
            None | Some("") => Place::Local,
            Some(word) if word.eq_ignore_ascii_case("local") => Place::Local,
            Some(url) => Place::Executor(url.to_owned()),
        }
    }
}
