use super::{access::AccessFlags, audit::AuditFlags};
use crate::config_flags::ConfigFlags;
use clap::Args;
use std::path::PathBuf;

/// Everything `afield serve` understands, as typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Flags {
    /// Where orchestrators connect: `ws://ADDRESS:PORT`, `wss://ADDRESS:PORT` with --tls-certificate (port 0 picks one; the
    /// URL is printed to standard output), `unix:PATH`, or `stdio`: one orchestrator, over standard input and output. An
    /// address that other machines can reach needs authentication and TLS. Default: ws://127.0.0.1:7411, or wss:// with
    /// --tls-certificate.
    #[arg(long, env = "AFIELD_LISTEN", value_name = "URL|stdio")]
    pub listen: Option<String>,

    /// Seconds that active requests get to finish once the executor is told to stop. Default: 10.
    #[arg(long, env = "AFIELD_GRACE", value_name = "SECONDS")]
    pub grace: Option<u64>,

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

    /// Where requests may go, unless rules of the configuration say otherwise: `standard` (default), `public-only`, or
    /// `allow-list`.
    #[arg(long, env = "AFIELD_POLICY", value_name = "PRESET")]
    pub policy: Option<String>,

    #[command(flatten)]
    pub audit: AuditFlags,

    #[command(flatten)]
    pub config: ConfigFlags,

    #[command(flatten)]
    pub access: AccessFlags,
}

const AFTER_HELP: &str = "\
SIGTERM or Ctrl-C drains: /readyz answers 503, active requests may finish within the grace, the exit code is 0.
A second one ends at once. SIGHUP reads the configuration, tokens, keys and certificates again; so does a change of their files. What is logged is set with --log or AFIELD_LOG.";
