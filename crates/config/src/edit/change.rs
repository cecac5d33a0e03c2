use super::{put, remove, update};
use crate::{
    Config, Draft, Format, Problem, Problems, Variables, foreign,
    reading::nearest,
    syntax::{Source, parse},
};
use std::{
    io,
    path::{Path, PathBuf},
};
use toml_edit::DocumentMut;

/// A change of the configuration.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds an MCP server.
    AddServer {
        /// What its section says.
        draft: Draft,
        /// Whether one of that name makes way for it.
        replace: bool,
    },
    /// Takes an MCP server away.
    RemoveServer(String),
    /// Adds an executor.
    AddExecutor {
        /// What its section says.
        draft: Draft,
        /// Whether one of that name makes way for it.
        replace: bool,
    },
    /// Takes an executor away.
    RemoveExecutor {
        /// Its name.
        name: String,
        /// Whether it goes even if servers are placed there, which then cannot be used.
        force: bool,
    },
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The configuration as it is now.
    pub config: Config,
    /// Whether the file was made for it.
    pub created: bool,
}

/// Why the configuration is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file cannot be read or written.
    #[error("cannot change the configuration {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is another program's file.
    #[error("{} is another program's file: its servers can be used, and copied with `afield mcp import`, and not changed", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// There is one of that name.
    #[error("there is already {what} named {name:?} in {}", path.display())]
    Exists {
        /// What it is, with its article.
        what: &'static str,
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// There is none of that name.
    #[error("there is no {what} named {name:?} in {}{}", path.display(), nearest.as_ref().map(|near| format!("; did you mean {near:?}?")).unwrap_or_default())]
    Missing {
        /// What it is.
        what: &'static str,
        /// The name.
        name: String,
        /// A name that was perhaps meant.
        nearest: Option<String>,
        /// The file.
        path: PathBuf,
    },
    /// Servers are placed at the executor.
    #[error("servers are placed at {name:?}: {}", servers.join(", "))]
    InUse {
        /// The executor.
        name: String,
        /// The servers.
        servers: Vec<String>,
    },
    /// What was to be added says something wrong.
    #[error("{0}")]
    Refused(Problems),
    /// The file says something wrong.
    #[error("{0}")]
    Problems(#[from] Problems),
}

/// What `update` cannot tell apart from its own failure.
enum Failed {
    Io(io::Error),
    Edit(EditError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<E: Into<EditError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Edit(error.into())
    }
}

/// Makes changes to the configuration file at `path`, all or none. Comments, order and all that is not touched stay as
/// they are. Blocks, while another process changes the same file too.
///
/// # Errors
///
/// The file is as it was: it cannot be written, a change makes no sense there, or what was added says something wrong.
/// What was wrong in other places before is no obstacle.
pub fn edit(path: &Path, changes: &[Change], variables: &Variables) -> Result<Edited, EditError> {
    let mut edited = None;
    let result = update::<Failed>(path, |text| {
        let created = text.is_none();
        let text = text.unwrap_or_default();
        let new = apply(path, text, changes, variables)?;
        let config = checked(path, text, &new, changes, variables)?;
        edited = Some(Edited { config, created });
        Ok(Some(new))
    });
    match result {
        Ok(()) => Ok(edited.unwrap_or_else(|| unreachable!("the change has run"))),
        Err(Failed::Edit(error)) => Err(error),
        Err(Failed::Io(error)) => Err(EditError::File { path: path.to_path_buf(), error }),
    }
}

fn apply(path: &Path, text: &str, changes: &[Change], variables: &Variables) -> Result<String, EditError> {
    let source = Source::new(path, text, variables.home());
    let syntax = foreign::syntax(path, text);
    let node = parse(&source, syntax).map_err(Problems::from)?;
    if foreign::format(path, syntax, &node) != Some(Format::Afield) {
        return Err(EditError::Foreign { path: path.to_path_buf() });
    }
    let mut document: DocumentMut = text.parse().map_err(|_| unreadable(&source))?;
    for change in changes {
        change.apply(path, &mut document)?;
    }
    Ok(document.to_string())
}

fn unreadable(source: &Source) -> Problems {
    Problem::new(source.place(0), "", "this is not TOML", "mend the file").into()
}

impl Change {
    fn apply(&self, path: &Path, document: &mut DocumentMut) -> Result<(), EditError> {
        let path = || path.to_path_buf();
        let (parent, name) = (self.parent(), self.name());
        let what = if parent == "executors" { "executor" } else { "MCP server" };
        let names: Vec<String> = document
            .get(parent)
            .and_then(toml_edit::Item::as_table_like)
            .map(|table| table.iter().map(|(name, _)| name.to_owned()).collect())
            .unwrap_or_default();
        match self {
            Self::AddServer { draft, replace } | Self::AddExecutor { draft, replace } => {
                if !replace && names.iter().any(|known| known == name) {
                    let what = if parent == "executors" { "an executor" } else { "an MCP server" };
                    return Err(EditError::Exists { what, name: name.into(), path: path() });
                }
                if !put(document, parent, name, &draft.node) {
                    let place = crate::Place::whole(path().display().to_string());
                    let what = "this is not a section, so nothing can be added to it";
                    return Err(
                        Problems::from(Problem::new(place, parent, what, "write it as sections")).into()
                    );
                }
            }
            Self::RemoveServer(_) | Self::RemoveExecutor { .. } => {
                if !remove(document, parent, name) {
                    let nearest = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
                    return Err(EditError::Missing { what, name: name.into(), nearest, path: path() });
                }
            }
        }
        Ok(())
    }

    fn parent(&self) -> &'static str {
        match self {
            Self::AddServer { .. } | Self::RemoveServer(_) => "mcp_servers",
            Self::AddExecutor { .. } | Self::RemoveExecutor { .. } => "executors",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::AddServer { draft, .. } | Self::AddExecutor { draft, .. } => draft.name(),
            Self::RemoveServer(name) | Self::RemoveExecutor { name, .. } => name,
        }
    }
}

/// Reads the new text, and refuses it for what the changes brought, not for what was wrong before.
fn checked(
    path: &Path,
    old: &str,
    new: &str,
    changes: &[Change],
    variables: &Variables,
) -> Result<Config, EditError> {
    let ours = |problem: &Problem| {
        changes.iter().any(|change| {
            let section = format!("{}.{}", change.parent(), change.name());
            problem.key == section || problem.key.starts_with(&format!("{section}."))
        })
    };
    let config = match Config::of_text(path, new, variables) {
        Ok(config) => config,
        Err(problems) => {
            match Problems::of(problems.iter().filter(|problem| ours(problem)).cloned().collect()) {
                Some(problems) => return Err(EditError::Refused(problems)),
                // Broken elsewhere, as before: there is nothing to answer with but the change.
                None if Config::of_text(path, old, variables).is_err() => return Ok(Config::default()),
                None => return Err(problems.into()),
            }
        }
    };
    for change in changes {
        match change {
            Change::AddServer { draft, .. } => {
                if let Some(Err(problem)) =
                    config.mcp_servers.get(draft.name()).map(|server| server.placement())
                {
                    return Err(EditError::Refused(problem.clone().into()));
                }
            }
            Change::RemoveExecutor { name, force: false } => {
                let placed = config.mcp_servers.values().filter(|server| server.environment == *name);
                let servers: Vec<String> = placed.map(|server| server.name.clone()).collect();
                if !servers.is_empty() {
                    return Err(EditError::InUse { name: name.clone(), servers });
                }
            }
            _ => {}
        }
    }
    Ok(config)
}
