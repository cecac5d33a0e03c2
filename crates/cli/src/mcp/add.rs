use crate::console::note;
use crate::{
    config_flags::{ConfigFlags, not_changed},
    failure::Failure,
};
use afield_config::{Change, Draft, HeaderSource, Placement, Secret, Variables, edit};
use clap::Args;

/// What a server's section will say, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The name it will have here.
    name: String,

    /// Its URL, as seen from its environment.
    url: String,

    /// Where its requests leave from: `local`, or the name of an executor. Default: local.
    #[arg(long, short, value_name = "NAME")]
    environment: Option<String>,

    /// A header to send, as `X-Client: me`. It will stand in the file as it is; see the next ones for secrets.
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    header: Vec<String>,

    /// A header whose value is a variable of this side: `X-Api-Key=VARIABLE`, or `Authorization=Token ${VARIABLE}`.
    #[arg(long, value_name = "NAME=VARIABLE")]
    header_env: Vec<String>,

    /// A header whose value is a variable of the executor, which this side never learns.
    #[arg(long, value_name = "NAME=VARIABLE")]
    executor_header_env: Vec<String>,

    /// A header whose value is a secret that the executor's operator declared under this name.
    #[arg(long, value_name = "NAME=SECRET")]
    executor_header_secret: Vec<String>,

    /// The variable of this side that will hold a bearer token.
    #[arg(long, value_name = "VARIABLE")]
    bearer_env: Option<String>,

    /// How long connecting and initializing may take, as `30s`.
    #[arg(long, value_name = "DURATION")]
    startup_timeout: Option<String>,

    /// How long a call of a tool may take, as `60s`.
    #[arg(long, visible_alias = "timeout", value_name = "DURATION")]
    tool_timeout: Option<String>,

    /// How long an answer under way may be silent, as `5m`.
    #[arg(long, value_name = "DURATION")]
    idle_timeout: Option<String>,

    /// Add it without using it yet.
    #[arg(long)]
    disabled: bool,

    /// Let commands that use all servers fail when this one does.
    #[arg(long)]
    required: bool,

    /// The identifier of an OAuth client that was registered by hand.
    #[arg(long, value_name = "ID")]
    oauth_client_id: Option<String>,

    /// The variable that will hold the OAuth client's secret.
    #[arg(long, value_name = "VARIABLE")]
    oauth_client_secret_env: Option<String>,

    /// A scope to ask for; more than once for more.
    #[arg(long, value_name = "SCOPE")]
    oauth_scope: Vec<String>,

    /// The loopback port that the browser comes back to.
    #[arg(long, value_name = "PORT")]
    oauth_redirect_port: Option<u16>,

    /// Get the token with the client's own identifier and secret, without a browser.
    #[arg(long)]
    oauth_client_credentials: bool,

    /// Take the place of a server of that name.
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(config: &ConfigFlags, flags: Flags) -> Result<(), Failure> {
    let path = config.location()?.path;
    let (name, replace) = (flags.name.clone(), flags.replace);
    let change = Change::AddServer { draft: draft(flags)?, replace };
    let edited = edit(&path, &[change], &Variables::of_process()).map_err(|error| not_changed(&error))?;
    let server = edited.config.mcp_servers.get(&name);
    let place = match server.and_then(|server| server.placement().ok()) {
        Some(Placement::Executor(executor)) => format!(", reached from {}", executor.name),
        _ => String::new(),
    };
    note!("added {name} to {}{place}", path.display());
    let literal = server.is_some_and(|server| {
        server.headers.iter().any(|header| matches!(header.source, HeaderSource::Literal(_)))
    });
    if literal {
        note!("  hint: header values now stand in that file; --header-env keeps a secret out of it");
    }
    Ok(())
}

fn draft(flags: Flags) -> Result<Draft, Failure> {
    let oauth = Draft::new("oauth")
        .with_optional("client_id", flags.oauth_client_id)
        .with_optional("client_secret_env", flags.oauth_client_secret_env)
        .with_texts("scopes", flags.oauth_scope)
        .with_integer("redirect_port", flags.oauth_redirect_port.map(i64::from))
        .with_boolean("client_credentials", flags.oauth_client_credentials, false);
    Ok(Draft::new(flags.name)
        .with_text("url", flags.url)
        .with_optional("environment", flags.environment)
        .with_map("headers", pairs("--header", &flags.header, ':')?)
        .with_map("headers_from_env", pairs("--header-env", &flags.header_env, '=')?)
        .with_map(
            "headers_from_executor_env",
            pairs("--executor-header-env", &flags.executor_header_env, '=')?,
        )
        .with_map(
            "headers_from_executor_secret",
            pairs("--executor-header-secret", &flags.executor_header_secret, '=')?,
        )
        .with_optional("bearer_token_env_var", flags.bearer_env)
        .with_optional("startup_timeout", flags.startup_timeout)
        .with_optional("tool_timeout", flags.tool_timeout)
        .with_optional("idle_timeout", flags.idle_timeout)
        .with_boolean("enabled", !flags.disabled, true)
        .with_boolean("required", flags.required, false)
        .with_section("oauth", oauth))
}

/// Names and values, told apart by the first `separator`. Of two with one name the error is the file's to tell.
fn pairs(flag: &'static str, texts: &[String], separator: char) -> Result<Vec<(String, Secret)>, Failure> {
    texts
        .iter()
        .map(|text| {
            let (name, value) = text.split_once(separator).ok_or_else(|| {
                let form = if separator == ':' { "NAME: VALUE" } else { "NAME=VARIABLE" };
                Failure::usage(format!("{flag} wants {form}"))
            })?;
            Ok((name.trim().to_owned(), Secret::new(value.trim())))
        })
        .collect()
}
