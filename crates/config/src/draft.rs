use crate::{
    Secret, format_duration,
    syntax::{Entry, Node, Value},
};
use std::{fmt, time::Duration};

/// A section that is about to be written: its name and what it says. Reading it back is what checks it.
#[derive(Clone)]
pub struct Draft {
    pub(crate) name: String,
    pub(crate) node: Node,
}

impl Draft {
    /// A section of this name that says nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self::of(name.into(), Node::new(0..0, Value::Table(Vec::new())))
    }

    pub(crate) fn of(name: String, node: Node) -> Self {
        Self { name, node }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says under `key`, if that is a text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.node.get(key)?.as_text()
    }

    /// Says a text.
    #[must_use]
    pub fn with_text(self, key: &str, text: impl Into<String>) -> Self {
        self.with(key, Value::Text(text.into()))
    }

    /// Says a text, where there is one.
    #[must_use]
    pub fn with_optional(self, key: &str, text: Option<impl Into<String>>) -> Self {
        match text {
            Some(text) => self.with_text(key, text),
            None => self,
        }
    }

    /// Says a duration, where there is one.
    #[must_use]
    pub fn with_duration(self, key: &str, duration: Option<Duration>) -> Self {
        self.with_optional(key, duration.map(format_duration))
    }

    /// Says `value`, unless that is what holds anyway.
    #[must_use]
    pub fn with_boolean(self, key: &str, value: bool, default: bool) -> Self {
        if value == default { self } else { self.with(key, Value::Boolean(value)) }
    }

    /// Says a number, where there is one.
    #[must_use]
    pub fn with_integer(self, key: &str, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.with(key, Value::Integer(number)),
            None => self,
        }
    }

    /// Says a list of texts, unless it is empty.
    #[must_use]
    pub fn with_texts(self, key: &str, texts: impl IntoIterator<Item = String>) -> Self {
        let texts: Vec<Node> = texts.into_iter().map(Node::text).collect();
        if texts.is_empty() { self } else { self.with(key, Value::List(texts)) }
    }

    /// Says a table of texts, unless it is empty.
    #[must_use]
    pub fn with_map(self, key: &str, entries: impl IntoIterator<Item = (String, Secret)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| Entry::new(key, Node::text(value.expose())));
        let entries: Vec<Entry> = entries.collect();
        if entries.is_empty() { self } else { self.with(key, Value::Table(entries)) }
    }

    /// Says what `section` says as a section of its own, unless it is empty.
    #[must_use]
    pub fn with_section(self, key: &str, section: Draft) -> Self {
        let empty = section.node.as_table().is_none_or(<[Entry]>::is_empty);
        if empty { self } else { self.with(key, section.node.value) }
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        if let Value::Table(entries) = &mut self.node.value {
            entries.push(Entry::new(key, Node::new(0..0, value)));
        }
        self
    }
}

impl fmt::Debug for Draft {
    /// The keys alone: any value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.node.as_table().unwrap_or_default().iter().map(|entry| &entry.key).collect();
        write!(f, "Draft({:?}, {keys:?})", self.name)
    }
}
