use super::{Entry, Node, Source, Span, Value};
use crate::Problem;
use toml_edit::{Document, Item, Value as Edit};

pub(super) fn parse(source: &Source) -> Result<Node, Problem> {
    let document = Document::parse(&*source.text).map_err(|error| {
        let place = source.place(error.span().map_or(0, |span| span.start));
        // Only the parser's own words: the line itself may hold a secret.
        let what = format!("this is not TOML: {}", error.message().lines().collect::<Vec<_>>().join("; "));
        Problem::new(place, "", what, "mend the line; https://toml.io describes the format")
    })?;
    let table = document.as_table();
    Ok(Node::new(
        0..0,
        Value::Table(entries(table.iter(), |key| table.key(key).and_then(toml_edit::Key::span))),
    ))
}

fn entries<'a>(
    items: impl Iterator<Item = (&'a str, &'a Item)>,
    key_span: impl Fn(&str) -> Option<Span>,
) -> Vec<Entry> {
    items
        .filter(|(_, item)| !item.is_none())
        .map(|(key, item)| {
            // A key of a table that was made by a header further in has no span of its own.
            let span = key_span(key).or_else(|| item.span()).or_else(|| first(item)).unwrap_or_default();
            Entry { key: key.to_owned(), key_span: span.clone(), node: node(item, &span) }
        })
        .collect()
}

/// Where the first part of a table without a header of its own stands.
fn first(item: &Item) -> Option<Span> {
    let table = item.as_table_like()?;
    let spans = table.iter().filter_map(|(key, item)| {
        table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span()).or_else(|| first(item))
    });
    spans.min_by_key(|span| span.start)
}

fn node(item: &Item, key: &Span) -> Node {
    let value = match item {
        Item::Value(value) => return of_value(value, key),
        Item::Table(table) => {
            Value::Table(entries(table.iter(), |key| table.key(key).and_then(toml_edit::Key::span)))
        }
        Item::ArrayOfTables(tables) => Value::List(
            tables
                .iter()
                .map(|table| {
                    let entries = entries(table.iter(), |key| table.key(key).and_then(toml_edit::Key::span));
                    Node::new(table.span().unwrap_or_else(|| key.clone()), Value::Table(entries))
                })
                .collect(),
        ),
        Item::None => Value::Null,
    };
    Node::new(item.span().unwrap_or_else(|| key.clone()), value)
}

fn of_value(value: &Edit, key: &Span) -> Node {
    let span = value.span().unwrap_or_else(|| key.clone());
    let value = match value {
        Edit::String(text) => Value::Text(text.value().clone()),
        Edit::Integer(number) => Value::Integer(*number.value()),
        Edit::Float(number) => Value::Float(*number.value()),
        Edit::Boolean(boolean) => Value::Boolean(*boolean.value()),
        Edit::Datetime(_) => Value::Date,
        Edit::Array(array) => Value::List(array.iter().map(|value| of_value(value, &span)).collect()),
        Edit::InlineTable(table) => Value::Table(
            table
                .iter()
                .map(|(key, value)| {
                    let key_span =
                        table.key(key).and_then(toml_edit::Key::span).unwrap_or_else(|| span.clone());
                    Entry { key: key.to_owned(), node: of_value(value, &key_span), key_span }
                })
                .collect(),
        ),
    };
    Node::new(span, value)
}
