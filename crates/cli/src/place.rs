use crate::failure::Failure;
use afield_client::Dialect;
use afield_transport::{ClientIdentity, Pin, Proxy};
use clap::Args;
use std::path::PathBuf;

/// Where a request leaves from, as typed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where it leaves from")]
pub(crate) struct PlaceFlags {
    /// The executor's URL (`ws://…`, `wss://…`, `unix:PATH`, `ssh://HOST`), or `local`: this process. Default: local.
    #[arg(long, env = "AFIELD_EXECUTOR", value_name = "URL|local", hide_env_values = true)]
    pub executor: Option<String>,

    /// A file that holds the executor's token. The variable `AFIELD_TOKEN` may hold the token itself.
    #[arg(long, env = "AFIELD_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    #[command(flatten)]
    pub reach: ReachFlags,

    /// Certificate authorities to trust instead of the platform's (PEM). The variable `AFIELD_CA_CERTIFICATE` does the same.
    #[arg(long, visible_alias = "cacert", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// How an executor is reached, as typed.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ReachFlags {
    /// Trust the executor by the SHA-256 digest of its certificate or public key, instead of by an authority: 64
    /// hexadecimal digits, or `sha256//BASE64`. With --ca, both must agree.
    #[arg(long, env = "AFIELD_EXECUTOR_PIN", value_name = "DIGEST", value_delimiter = ',')]
    pub executor_pin: Vec<String>,

    /// Present this client certificate (PEM) to the executor.
    #[arg(long, env = "AFIELD_EXECUTOR_CERTIFICATE", value_name = "FILE", requires = "executor_key")]
    pub executor_certificate: Option<PathBuf>,

    /// The key of that certificate (PEM, without a passphrase).
    #[arg(long, env = "AFIELD_EXECUTOR_KEY", value_name = "FILE", requires = "executor_certificate")]
    pub executor_key: Option<PathBuf>,

    /// Reach the executor through this HTTP proxy: `http://[USER:PASSWORD@]HOST:PORT`.
    #[arg(long, env = "AFIELD_EXECUTOR_PROXY", value_name = "URL", hide_env_values = true)]
    pub executor_proxy: Option<String>,

    /// What to speak with the executor: `auto` is afield/1 where it knows it (requests survive a lost connection, bodies are
    /// of any size), `base` forces the older dialect.
    #[arg(long, env = "AFIELD_DIALECT", value_name = "auto|base", default_value = "auto")]
    pub dialect: DialectFlag,
}

/// A dialect, as typed.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum DialectFlag {
    #[default]
    Auto,
    Base,
}

/// How an executor is reached, as meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub pins: Vec<Pin>,
    pub identity: Option<ClientIdentity>,
    pub proxy: Option<Proxy>,
    pub dialect: Dialect,
}

impl ReachFlags {
    /// What was meant.
    pub fn reach(&self) -> Result<Reach, Failure> {
        let mut pins = Vec::new();
        for text in self.executor_pin.iter().filter(|text| !text.is_empty()) {
            pins.push(text.parse().map_err(|why| Failure::usage(format!("--executor-pin: {why}")))?);
        }
        let identity = self.executor_certificate.clone().zip(self.executor_key.clone());
        let identity = identity.map(|(certificate, key)| ClientIdentity { certificate, key });
        let proxy = self.executor_proxy.as_deref().filter(|url| !url.is_empty()).map(Proxy::parse);
        let proxy = proxy.transpose().map_err(|why| Failure::usage(format!("--executor-proxy: {why}")))?;
        let dialect = match self.dialect {
            DialectFlag::Auto => Dialect::Auto,
            DialectFlag::Base => Dialect::Base,
        };
        Ok(Reach { pins, identity, proxy, dialect })
    }
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
