use super::{Executor, LOCAL};
use crate::{
    Problem,
    reading::{Section, nearest},
};
use std::{collections::BTreeMap, sync::Arc};

/// Where requests leave from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// This process.
    Local,
    /// This executor.
    Executor(Arc<Executor>),
}

impl Placement {
    /// The name by which a configuration knows it.
    pub fn name(&self) -> &str {
        match self {
            Self::Local => LOCAL,
            Self::Executor(executor) => &executor.name,
        }
    }

    /// The executor, if it is not this process.
    pub fn executor(&self) -> Option<&Arc<Executor>> {
        match self {
            Self::Local => None,
            Self::Executor(executor) => Some(executor),
        }
    }
}

/// What the key `name` of a section says: the name it has there, and what that means. Nothing means this process, and
/// an unknown name never does.
pub(super) fn read(
    section: &Section<'_>,
    name: &str,
    executors: &BTreeMap<String, Arc<Executor>>,
) -> (String, Result<Placement, Problem>) {
    let Some(entry) = section.entry(name) else { return (LOCAL.to_owned(), Ok(Placement::Local)) };
    // An empty one is refused as such; until then it is no name either.
    let written = section.text(name).unwrap_or_default();
    if written == LOCAL {
        return (LOCAL.to_owned(), Ok(Placement::Local));
    }
    if let Some(executor) = executors.get(written) {
        return (written.to_owned(), Ok(Placement::Executor(executor.clone())));
    }
    let fix = match nearest(written, executors.keys().map(String::as_str).chain([LOCAL])) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("`afield executor add {written} URL` makes it known, or write \"local\""),
    };
    let what = format!("there is no executor named {written:?}");
    let problem = section.reader.problem(&entry.node.span, &section.path_of(&entry.key), what, fix);
    (written.to_owned(), Err(problem))
}
