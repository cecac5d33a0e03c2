use super::{offered::OfferFlags, session::Session};
use crate::{ExitCode, config_flags::ConfigFlags, console::JsonOutput, failure::Failure, signals::Signals};
use afield_mcp::Relay;
use clap::Args;

/// Which server is put on standard input and output, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The server's name.
    name: String,

    #[command(flatten)]
    offers: OfferFlags,
}

/// Relays until standard input ends, or a signal comes.
pub(super) async fn run(config: &ConfigFlags, flags: &Flags, signals: &Signals) -> Result<(), Failure> {
    let session = Session::open(config, &flags.offers, std::slice::from_ref(&flags.name)).await?;
    let (_, server) = session.server(&flags.name)?;
    let relay = Relay::new(server.url, server.transport).with_name(flags.name.as_str());
    let done = relay.run(tokio::io::stdin(), JsonOutput::new(), signals.token()).await;
    if let Some(authorizer) = server.authorizer {
        authorizer.settle().await;
    }
    session.placements.close().await;
    done.map_err(|error| {
        let code = match error.kind() {
            std::io::ErrorKind::InvalidData => ExitCode::Read,
            _ => ExitCode::Write,
        };
        Failure::new(code, format!("{}: {error}", flags.name))
    })
}
