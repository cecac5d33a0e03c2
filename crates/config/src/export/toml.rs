use super::{Export, entry::Said};
use crate::{Draft, Problem, Secret, edit::put, syntax::Source};
use toml_edit::DocumentMut;

/// The text of a TOML file with these entries in it, and everything else as it was.
pub(super) fn with_entries(source: &Source, export: &Export, names: &[&str]) -> Result<String, Problem> {
    let problem = |what: String| Problem::new(source.place(0), "mcp_servers", what, "mend the file");
    let mut document: DocumentMut = source
        .text
        .parse()
        .map_err(|error: toml_edit::TomlError| problem(format!("this is not TOML: {}", error.message())))?;
    for name in names {
        if !put(&mut document, "mcp_servers", name, &draft(export, name).node) {
            return Err(problem("this is not a section".into()));
        }
    }
    Ok(document.to_string())
}

fn draft(export: &Export, name: &str) -> Draft {
    export.entry(name).into_iter().fold(Draft::new(name), |draft, (key, said)| match said {
        Said::Text(text) => draft.with_text(key, text),
        Said::Texts(texts) => draft.with_texts(key, texts),
        Said::Map(entries) => {
            draft.with_map(key, entries.into_iter().map(|(key, text)| (key.to_owned(), Secret::new(text))))
        }
    })
}
