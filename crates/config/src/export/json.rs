use super::{Export, entry::Said};
use crate::{
    Format, Problem,
    syntax::{JSON, Source},
};
use jsonc_parser::cst::{CstInputValue, CstRootNode};

/// The text of a JSON file with these entries in it, and everything else as it was.
pub(super) fn with_entries(source: &Source, export: &Export, names: &[&str]) -> Result<String, Problem> {
    let (mark, text) = match source.text.strip_prefix('\u{feff}') {
        Some(text) => ("\u{feff}", text),
        None => ("", &*source.text),
    };
    let root = CstRootNode::parse(text, &JSON).map_err(|error| {
        let place = source.place(error.range().start + mark.len());
        Problem::new(place, "", format!("this is not JSON: {}", error.kind()), "mend the file")
    })?;
    let wrong = |key: &str| Problem::new(source.place(0), key, "this is not a table", "mend the file");
    let table = match export.host.format() {
        Format::VsCode => "servers",
        _ => "mcpServers",
    };
    let object = root.object_value_or_create().ok_or_else(|| wrong(""))?;
    let servers = object.object_value_or_create(table).ok_or_else(|| wrong(table))?;
    for name in names {
        let entry = export.entry(name).into_iter().map(|(key, said)| (key.to_owned(), value(said))).collect();
        let entry = CstInputValue::Object(entry);
        match servers.get(name) {
            Some(old) => old.set_value(entry),
            None => {
                servers.append(name, entry);
            }
        }
    }
    let mut text = format!("{mark}{root}");
    if !text.ends_with('\n') && source.text.is_empty() {
        text.push('\n');
    }
    Ok(text)
}

fn value(said: Said) -> CstInputValue {
    match said {
        Said::Text(text) => CstInputValue::String(text),
        Said::Texts(texts) => CstInputValue::Array(texts.into_iter().map(CstInputValue::String).collect()),
        Said::Map(entries) => CstInputValue::Object(
            entries.into_iter().map(|(key, text)| (key.to_owned(), CstInputValue::String(text))).collect(),
        ),
    }
}
