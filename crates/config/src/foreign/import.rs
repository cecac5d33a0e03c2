use super::{format, servers, syntax, tell};
use crate::{
    Config, Draft, McpServer, Problem, Problems, UnusableServer, Variables,
    sections::{self, sanitised},
    syntax::{Source, parse},
};
use std::path::Path;

/// What another program's file offers.
#[derive(Debug, Default)]
pub struct Imported {
    /// What can be taken over.
    pub servers: Vec<ImportedServer>,
    /// What cannot, and why.
    pub skipped: Vec<UnusableServer>,
}

/// A server that can be taken over.
#[derive(Debug)]
pub struct ImportedServer {
    /// Its name in the other file; the draft's may differ, where that one is not allowed here.
    pub original_name: String,
    /// What would be added.
    pub draft: Draft,
    /// What is worth a word.
    pub notes: Vec<Problem>,
}

/// Reads the servers of another program's file, whose `text` stands at `path`; or of one of our own. `folder` is the project
/// whose servers Claude Code keeps apart; `environment` places all of them; `config` is what they would be added to.
///
/// # Errors
///
/// The file as a whole is not understood.
pub fn import(
    path: &Path,
    text: &str,
    folder: Option<&Path>,
    environment: Option<&str>,
    config: &Config,
    variables: &Variables,
) -> Result<Imported, Problems> {
    let source = Source::new(path, text, variables.home());
    let syntax = syntax(path, text);
    let node = parse(&source, syntax)?;
    let format = format(path, syntax, &node).ok_or_else(|| no_servers(&source))?;
    let mut imported = Imported::default();
    for entry in servers(format, &node, folder) {
        let mut told = tell(format, entry);
        let name = unused(sanitised(&entry.key), &imported.servers);
        told.entry.key.clone_from(&name);
        if let Some(environment) = environment {
            told.set_environment(environment);
        }
        let mut notes = told.notes(&source);
        let read = sections::read_each(&source, std::slice::from_ref(&told), config.executors.clone());
        let unusable = read.unusable.iter().flat_map(|server| server.problems.iter());
        let own = read.mcp_servers.values().filter(|server| leads_here(server, config));
        let own = own.map(|_| {
            let what = "this entry leads to the gateway of this configuration itself";
            Problem::new(source.place(entry.key_span.start), &*entry.key, what, "there is nothing to copy")
        });
        let unplaced = read.mcp_servers.values().filter_map(|server| server.placement().err());
        let problems = unusable.chain(unplaced).cloned().chain(own).collect();
        match Problems::of(problems) {
            Some(problems) => imported.skipped.push(UnusableServer { name: entry.key.clone(), problems }),
            None => {
                if name != entry.key {
                    let what = format!("{:?} is not a name here; it becomes {name:?}", entry.key);
                    notes.push(Problem::new(source.place(entry.key_span.start), &*name, what, ""));
                }
                let draft = Draft::of(name, told.entry.node);
                imported.servers.push(ImportedServer { original_name: entry.key.clone(), draft, notes });
            }
        }
    }
    Ok(imported)
}

/// Whether it is what `export` writes: a copy of that would be a circle.
fn leads_here(server: &McpServer, config: &Config) -> bool {
    let gateway = format!("http://{}/", config.gateway.listen);
    server.url.as_str().starts_with(&gateway)
}

/// Two names that are not allowed here may become one; the second then gets a number.
fn unused(name: String, servers: &[ImportedServer]) -> String {
    let taken = |name: &str| servers.iter().any(|server| server.draft.name() == name);
    if !taken(&name) {
        return name;
    }
    let numbered = (2..).map(|number| format!("{}-{number}", &name[..name.len().min(56)]));
    numbered.into_iter().find(|name| !taken(name)).unwrap_or(name)
}

/// What is said of JSON in which there is nothing to find.
pub(crate) fn no_servers(source: &Source) -> Problem {
    Problem::new(
        crate::Place::whole(source.name.clone()),
        "",
        "there are no MCP servers in this file",
        "name a file with `mcpServers` (Claude, Cursor), `servers` (VS Code) or `[mcp_servers]` (Codex)",
    )
}
