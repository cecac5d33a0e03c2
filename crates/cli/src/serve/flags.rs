use clap::Args;
use std::path::PathBuf;

/// Everything `afield serve` understands, as typed.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Flags {
    /// Where orchestrators connect: `ws://ADDRESS:PORT` on a loopback address (port 0 picks one; the URL is printed
    /// to standard output), or `stdio`: one orchestrator, over standard input and output.
    #[arg(long, env = "AFIELD_LISTEN", value_name = "URL|stdio", default_value = "ws://127.0.0.1:7411")]
    pub listen: String,

    /// Seconds that active requests get to finish once the executor is told to stop.
    #[arg(long, env = "AFIELD_GRACE", value_name = "SECONDS", default_value_t = 10)]
    pub grace: u64,

    /// A file that holds the token which orchestrators must present. `AFIELD_TOKEN` may hold the token itself.
    #[arg(long, env = "AFIELD_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// A name by which orchestrators may reach this executor, besides IP addresses and `localhost`.
    #[arg(long, env = "AFIELD_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    pub allow_host: Vec<String>,

    /// Certificate authorities to trust, instead of the platform's, when origins are reached (PEM). The variable
    /// `AFIELD_CA_CERTIFICATE` does the same.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Set a limit, for example `windowBytes=4M` or `headMs=60000`. Bytes may end in K, M or G.
    #[arg(long, env = "AFIELD_LIMIT", value_name = "NAME=VALUE", value_delimiter = ',')]
    pub limit: Vec<String>,
}

const AFTER_HELP: &str = "\
SIGTERM or Ctrl-C drains: /readyz answers 503, active requests may finish within the grace, the exit code is 0.
A second one ends at once. What is logged is set with --log or AFIELD_LOG.";
