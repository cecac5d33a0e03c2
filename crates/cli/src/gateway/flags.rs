use crate::{config_flags::ConfigFlags, place::PlaceFlags};
use clap::Args;
use std::path::PathBuf;

/// Everything `afield gateway` understands, as typed.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Flags {
    /// Where programs connect: an address and a port (port 0 picks one). Default: what the configuration says, else
    /// 127.0.0.1:7412.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,

    /// Have http://ADDRESS:PORT/NAME stand for this URL. May be given many times; besides them the MCP servers of the
    /// configuration are routes.
    #[arg(long, value_name = "NAME=URL")]
    pub route: Vec<String>,

    /// Give the route NAME a host of its own, such as docs.localhost, in place of a path: its pages can be opened in a
    /// browser then, and those of other routes cannot read them.
    #[arg(long, value_name = "NAME=HOST")]
    pub route_host: Vec<String>,

    /// Give the route NAME a listener of its own, in place of a path.
    #[arg(long, value_name = "NAME=ADDRESS:PORT")]
    pub route_listen: Vec<String>,

    /// Do not serve as a forward proxy (HTTP_PROXY).
    #[arg(long)]
    pub no_proxy: bool,

    /// Ask for the token that this file holds. The variable `AFIELD_GATEWAY_TOKEN` may hold the token itself.
    #[arg(long, value_name = "FILE")]
    pub gateway_token_file: Option<PathBuf>,

    /// Share the port with another gateway of the same user that was started so too: the next one listens before the last one stops.
    #[arg(long)]
    pub reuse_port: bool,

    /// Listen on an address that other machines can reach. Needs a token.
    #[arg(long)]
    pub expose: bool,

    /// A name by which programs may reach this gateway, besides `localhost` and loopback addresses.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub allow_host: Vec<String>,

    /// An origin whose pages may use this gateway, besides those of this machine: `https://app.example`.
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<String>,

    /// Seconds that active requests get to finish once the gateway is told to stop.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub grace: u64,

    #[command(flatten)]
    pub place: PlaceFlags,

    #[command(flatten)]
    pub config: ConfigFlags,
}

const AFTER_HELP: &str = "\
--executor is where --route and the proxy leave from: a URL, or an executor's name in the configuration. Servers of the
configuration leave from their own environment.

  afield gateway --executor ws://127.0.0.1:7411 --route docs=http://docs.internal/mcp
  curl http://127.0.0.1:7412/docs
  HTTP_PROXY=http://127.0.0.1:7412 curl http://docs.internal/";
