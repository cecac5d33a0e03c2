use crate::console::note;
use crate::{
    config_flags::{ConfigFlags, not_changed},
    failure::Failure,
};
use afield_config::{Change, Draft, Variables, edit};
use clap::Args;
use std::path::{Path, PathBuf};

/// What an executor's section will say, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The name by which servers will be placed there.
    name: String,

    /// Where it listens: `ws://…`, `wss://…`, `unix:FILE`, a Unix socket, or `ssh://HOST`.
    #[arg(required_unless_present = "command", conflicts_with = "command")]
    url: Option<String>,

    /// Instead of a URL, after `--`: a program that speaks the protocol on standard input and output, as
    /// `-- ssh host afield stdio`.
    #[arg(last = true, value_name = "PROGRAM")]
    command: Vec<String>,

    /// The file that holds the token it wants.
    #[arg(long, value_name = "FILE", conflicts_with = "token_env")]
    token_file: Option<PathBuf>,

    /// The variable that will hold the token it wants.
    #[arg(long, value_name = "VARIABLE")]
    token_env: Option<String>,

    /// Authorities that its certificate is checked against, in place of the platform's (PEM).
    #[arg(long, visible_alias = "cacert", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// The certificate that this side shows (PEM).
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_certificate: Option<PathBuf>,

    /// The key of that certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<PathBuf>,

    /// SHA-256 of the certificate or public key it must show; more than once where it is about to change.
    #[arg(long, value_name = "SHA256")]
    pin: Vec<String>,

    /// An HTTP proxy to connect through.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,

    /// What is spoken: `auto` or `base`.
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<String>,

    /// How long connecting may take, as `10s`.
    #[arg(long, value_name = "DURATION")]
    connect_timeout: Option<String>,

    /// Send the token over `ws://` off this machine.
    #[arg(long)]
    allow_plaintext_token: bool,

    /// Take the place of an executor of that name.
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(config: &ConfigFlags, flags: Flags) -> Result<(), Failure> {
    let path = config.location()?.path;
    let name = flags.name.clone();
    let replace = flags.replace;
    let change = Change::AddExecutor { draft: draft(flags)?, replace };
    edit(&path, &[change], &Variables::of_process()).map_err(|error| not_changed(&error))?;
    note!("added the executor {name} to {}", path.display());
    Ok(())
}

fn draft(flags: Flags) -> Result<Draft, Failure> {
    let file = |path: &Option<PathBuf>| path.as_deref().map(absolute).transpose();
    Ok(Draft::new(flags.name)
        .with_optional("url", flags.url.map(url).transpose()?)
        .with_texts("command", flags.command)
        .with_optional("token_file", file(&flags.token_file)?)
        .with_optional("token_env", flags.token_env)
        .with_boolean("allow_plaintext_token", flags.allow_plaintext_token, false)
        .with_optional("ca", file(&flags.ca)?)
        .with_optional("client_certificate", file(&flags.client_certificate)?)
        .with_optional("client_key", file(&flags.client_key)?)
        .with_texts("pinned_certificate_sha256", flags.pin)
        .with_optional("proxy", flags.proxy)
        .with_optional("dialect", flags.dialect)
        .with_optional("connect_timeout", flags.connect_timeout))
}

fn url(typed: String) -> Result<String, Failure> {
    match typed.strip_prefix("unix:") {
        Some(path) => Ok(format!("unix:{}", absolute(Path::new(path))?)),
        None => Ok(typed),
    }
}

/// A file name as typed is relative to here, and one in the configuration to its folder.
fn absolute(path: &Path) -> Result<String, Failure> {
    let absolute =
        std::path::absolute(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    absolute
        .into_os_string()
        .into_string()
        .map_err(|_| Failure::usage(format!("the file name {} is not UTF-8", path.display())))
}
