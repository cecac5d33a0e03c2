use crate::console::note;
use crate::{
    ExitCode,
    config_flags::{ConfigFlags, not_changed, unusable, warn},
    failure::Failure,
    table::Table,
};
use afield_config::{Change, Config, Host, Imported, ImportedServer, Scope, Variables, edit, import};
use clap::Args;
use std::path::{Path, PathBuf};

/// What is copied from where, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// A file, or a program whose files are looked for: `claude-desktop`, `claude-code`, `cursor`, `vscode`, `codex`.
    /// Without one, all of these programs.
    #[arg(value_name = "FILE|HOST")]
    source: Option<String>,

    /// The servers to copy. Without names and without --all they are only listed.
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Copy every server that can be copied.
    #[arg(long, conflicts_with = "names")]
    all: bool,

    /// Say what would be copied, and copy nothing.
    #[arg(long)]
    dry_run: bool,

    /// Place the copies here, whatever the file says: `local`, or the name of an executor.
    #[arg(long, short, value_name = "NAME")]
    environment: Option<String>,

    /// Take the place of servers of the same names.
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(flags: &ConfigFlags, typed: &Flags) -> Result<(), Failure> {
    let variables = Variables::of_process();
    let path = flags.location()?.path;
    let config = flags.load()?;
    if let Some(environment) = &typed.environment {
        config.placement(environment).map_err(|error| Failure::usage(error.to_string()))?;
    }
    let folder = std::env::current_dir().unwrap_or_default();
    let files = files(typed.source.as_deref(), &folder, &variables)?;
    let mut found = Imported::default();
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::new(ExitCode::Read, format!("cannot read {}: {error}", file.display()))
        })?;
        let environment = typed.environment.as_deref();
        match import(file, &text, Some(&folder), environment, &config, &variables) {
            Ok(imported) => {
                let count = imported.servers.len() + imported.skipped.len();
                note!("{}: {count} {}", file.display(), if count == 1 { "server" } else { "servers" });
                found.servers.extend(imported.servers);
                found.skipped.extend(imported.skipped);
            }
            // Of a program's several files, those without servers are none of our business.
            Err(problems) if files.len() == 1 => return Err(unusable(&problems)),
            Err(_) => note!("{}: no servers that could be read", file.display()),
        }
    }
    let chosen = choose(&mut found, typed, &config)?;
    list(&found, &chosen, typed)?;
    if typed.dry_run || chosen.is_empty() {
        return Ok(());
    }
    let changes: Vec<Change> = chosen.iter().map(|server| server.change(typed.replace)).collect();
    edit(&path, &changes, &variables).map_err(|error| not_changed(&error))?;
    note!(
        "copied {} into {}",
        chosen.iter().map(|server| server.draft.name()).collect::<Vec<_>>().join(", "),
        path.display()
    );
    Ok(())
}

trait IntoChange {
    fn change(&self, replace: bool) -> Change;
}

impl IntoChange for ImportedServer {
    fn change(&self, replace: bool) -> Change {
        Change::AddServer { draft: self.draft.clone(), replace }
    }
}

/// The files that are read: those of a host that are there, or the one that was named.
fn files(source: Option<&str>, folder: &Path, variables: &Variables) -> Result<Vec<PathBuf>, Failure> {
    let hosts = match source {
        None => Host::ALL.to_vec(),
        Some(source) => match source.parse::<Host>() {
            Ok(host) => vec![host],
            Err(_) if Path::new(source).exists() => return Ok(vec![source.into()]),
            Err(known) => {
                return Err(Failure::new(
                    ExitCode::Read,
                    format!("there is no file {source}, nor a program of that name"),
                )
                .with_hint(known));
            }
        },
    };
    let files: Vec<PathBuf> = hosts
        .iter()
        .flat_map(|host| [Scope::Project, Scope::User].map(|scope| host.file(scope, folder, variables)))
        .flatten()
        .collect();
    let mut present: Vec<PathBuf> = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        // In the home folder a project's file and the user's are the same.
        if !present.contains(file) {
            present.push(file.clone());
        }
    }
    if present.is_empty() {
        let looked = files.iter().map(|file| file.display().to_string());
        return Err(Failure::new(ExitCode::Read, "none of the files in which servers might be is there")
            .with_details(looked));
    }
    Ok(present)
}

/// Takes out of `found` what is to be copied. What is there already is skipped, unless it is to be replaced.
fn choose(found: &mut Imported, typed: &Flags, config: &Config) -> Result<Vec<ImportedServer>, Failure> {
    for name in &typed.names {
        let known = |server: &ImportedServer| server.original_name == *name || server.draft.name() == name;
        if let Some(skipped) = found.skipped.iter().find(|server| server.name == *name) {
            return Err(Failure::usage(format!("{name} cannot be copied"))
                .with_details(skipped.problems.iter().map(ToString::to_string)));
        }
        if !found.servers.iter().any(known) {
            return Err(Failure::usage(format!("there is no server named {name:?} to copy")));
        }
    }
    let mut chosen: Vec<ImportedServer> = Vec::new();
    for server in std::mem::take(&mut found.servers) {
        let named = |name: &String| *name == server.original_name || name == server.draft.name();
        let wanted = typed.all || typed.names.iter().any(named);
        let taken = config.mcp_servers.contains_key(server.draft.name()) && !typed.replace;
        let twice = chosen.iter().any(|other| other.draft.name() == server.draft.name());
        if wanted && taken {
            note!("{} is there already; --replace puts this one in its place", server.draft.name());
        }
        if wanted && !taken && !twice {
            chosen.push(server);
        } else {
            found.servers.push(server);
        }
    }
    Ok(chosen)
}

fn list(found: &Imported, chosen: &[ImportedServer], typed: &Flags) -> Result<(), Failure> {
    let mut table = Table::new(&["NAME", "ENVIRONMENT", "URL", "COPIED"]);
    let url =
        |server: &ImportedServer| afield_exchange::redacted_url(server.draft.text("url").unwrap_or_default());
    let environment =
        |server: &ImportedServer| server.draft.text("environment").unwrap_or("local").to_owned();
    for server in chosen {
        warn(&server.notes);
        let copied = if typed.dry_run { "would be" } else { "yes" };
        table.row([server.draft.name().to_owned(), environment(server), url(server), copied.to_owned()]);
    }
    for server in &found.servers {
        table.row([server.draft.name().to_owned(), environment(server), url(server), "no".to_owned()]);
    }
    for server in &found.skipped {
        let why = server.problems.iter().next().map(|problem| problem.what.clone()).unwrap_or_default();
        table.row([server.name.clone(), String::new(), String::new(), format!("cannot be: {why}")]);
    }
    table.print()?;
    if chosen.is_empty() && !found.servers.is_empty() && !typed.all && typed.names.is_empty() {
        note!("  hint: --all copies them; a file or a program and names copy those");
    }
    Ok(())
}
