use crate::syntax::{Entry, Node, Value as Told};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value, value};

/// Puts the section `[parent.name]`, in place of one of that name, else after the last of its kind. `false` where
/// `parent` is something else than a section.
pub(crate) fn put(document: &mut DocumentMut, parent: &str, name: &str, node: &Node) -> bool {
    let parent = document.as_table_mut().entry(parent).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    match parent {
        Item::Table(sections) => {
            let mut section = section(node);
            if let Some(Item::Table(old)) = sections.get(name) {
                // What was written above the header, and where the section stood.
                *section.decor_mut() = old.decor().clone();
                section.set_position(old.position());
            } else {
                section.decor_mut().set_prefix("\n");
            }
            sections.insert(name, Item::Table(section));
            true
        }
        Item::Value(Value::InlineTable(sections)) => {
            sections.insert(name, Value::InlineTable(inline(node)));
            true
        }
        _ => false,
    }
}

/// Takes the section `[parent.name]` away. `false` where there is none.
pub(crate) fn remove(document: &mut DocumentMut, parent: &str, name: &str) -> bool {
    let Some(sections) = document.get_mut(parent).and_then(Item::as_table_like_mut) else { return false };
    sections.remove(name).is_some()
}

fn section(node: &Node) -> Table {
    let mut table = Table::new();
    for entry in node.as_table().unwrap_or_default() {
        let item = match &entry.node.value {
            // Sections within come as sections of their own; tables of texts on one line.
            Told::Table(entries)
                if entries.iter().any(|entry| entry.node.as_text().is_none()) || entry.key == "oauth" =>
            {
                Item::Table(section(&entry.node))
            }
            _ => value(of(&entry.node)),
        };
        table.insert(&entry.key, item);
    }
    table
}

fn of(node: &Node) -> Value {
    match &node.value {
        Told::Text(text) => text.as_str().into(),
        Told::Integer(number) => (*number).into(),
        Told::Float(number) => (*number).into(),
        Told::Boolean(boolean) => (*boolean).into(),
        Told::List(nodes) => Value::Array(nodes.iter().map(of).collect::<Array>()),
        Told::Table(_) => Value::InlineTable(inline(node)),
        Told::Null | Told::Date => "".into(),
    }
}

fn inline(node: &Node) -> InlineTable {
    node.as_table()
        .unwrap_or_default()
        .iter()
        .map(|Entry { key, node, .. }| (key.as_str(), of(node)))
        .collect()
}
