use super::offered::OfferFlags;
use crate::console::note;
use crate::{
    ExitCode,
    config_flags::{ConfigFlags, not_changed},
    console::print,
    failure::Failure,
};
use afield_config::{Config, Export, Host, NamedBy, Scope, Variables, Via, export_into};
use afield_placement::Placements;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What is given to whom, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The program: `claude-desktop`, `claude-code`, `cursor`, `vscode`, `codex`.
    #[arg(value_name = "HOST", value_parser = |text: &str| text.parse::<Host>())]
    host: Host,

    /// The servers. Default: all that are enabled and can be used.
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// How the program comes to them: by a URL of `afield gateway`, which then has to run, or by starting
    /// `afield mcp connect`. Default: the gateway, where the program takes URLs.
    #[arg(long)]
    via: Option<Way>,

    /// Put the entries into the program's own file, in place of those of the same names. Everything else in it stays, and
    /// a copy of it is kept.
    #[arg(long)]
    write: bool,

    /// The file of the project in this folder, instead of the user's.
    #[arg(long, requires = "write")]
    project: bool,

    /// Put the entries into this file.
    #[arg(long, value_name = "FILE", conflicts_with = "project")]
    into: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    Gateway,
    Connect,
}

pub(super) async fn run(config: &ConfigFlags, flags: &Flags) -> Result<(), Failure> {
    let placements = Placements::new(Variables::of_process());
    let loaded = OfferFlags::default().load(config, &placements, &flags.names).await?;
    let names = names(&loaded, flags)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let export = export(config, loaded, flags)?;
    match file(flags)? {
        Some(path) => {
            let written = export_into(&path, &export, &names).map_err(|error| not_changed(&error))?;
            match (written.changed, &written.backup) {
                (false, _) => note!("{} says so already", path.display()),
                (true, None) => note!("wrote {}", path.display()),
                (true, Some(backup)) => {
                    note!("changed {}; as it was: {}", path.display(), backup.display());
                }
            }
        }
        None => {
            print(export.text(&names))?;
            let folder = std::env::current_dir().unwrap_or_default();
            if let Some(path) = flags.host.file(Scope::User, &folder, &Variables::of_process()) {
                note!("  hint: this belongs into {}; --write puts it there", path.display());
            }
        }
    }
    if export.via == Via::Gateway {
        note!("  hint: `afield gateway` has to run for this");
    }
    if let Some(advice) = export.advice() {
        note!("  hint: {advice}");
    }
    Ok(())
}

fn names(config: &Config, flags: &Flags) -> Result<Vec<String>, Failure> {
    for name in &flags.names {
        config.mcp_server(name).map_err(|error| Failure::usage(error.to_string()))?;
    }
    if !flags.names.is_empty() {
        return Ok(flags.names.clone());
    }
    let usable = config.mcp_servers.values().filter(|server| server.enabled && server.placement().is_ok());
    let names: Vec<String> = usable.map(|server| server.name.clone()).collect();
    if names.is_empty() {
        return Err(Failure::usage("there is no server to export").with_hint("afield mcp add NAME URL"));
    }
    Ok(names)
}

fn export(flags: &ConfigFlags, config: Config, typed: &Flags) -> Result<Export, Failure> {
    let host = typed.host;
    let via = match typed.via {
        None => Via::default_for(host),
        Some(Way::Connect) => Via::Connect,
        Some(Way::Gateway) if host.takes_urls() => Via::Gateway,
        Some(Way::Gateway) => {
            return Err(Failure::usage(format!("the file of {host} takes commands, and no URLs"))
                .with_hint("--via connect makes one"));
        }
    };
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok())
        .unwrap_or_else(|| "afield".to_owned());
    let location = flags.location()?;
    // The program is started by somebody else, who need not know what this shell's variables say.
    let variables = Variables::of_process();
    let elsewhere = variables.get("XDG_CONFIG_HOME").is_some_and(|folder| location.path.starts_with(folder));
    let named = location.named_by != NamedBy::Default || elsewhere;
    let config_file = named.then(|| std::path::absolute(&location.path).unwrap_or(location.path));
    Ok(Export { host, via, gateway: config.gateway, program, config: config_file })
}

fn file(flags: &Flags) -> Result<Option<PathBuf>, Failure> {
    if let Some(path) = &flags.into {
        return Ok(Some(path.clone()));
    }
    if !flags.write {
        return Ok(None);
    }
    let scope = if flags.project { Scope::Project } else { Scope::User };
    let folder = std::env::current_dir().unwrap_or_default();
    let file = flags.host.file(scope, &folder, &Variables::of_process());
    file.map(Some).ok_or_else(|| {
        Failure::new(ExitCode::Usage, format!("{} has no such file here", flags.host))
            .with_hint("--into FILE names one")
    })
}
