use std::{fmt, ops::Range};

/// Where something stands, in bytes.
pub(crate) type Span = Range<usize>;

/// A value and where it stands.
#[derive(Clone, PartialEq)]
pub(crate) struct Node {
    pub span: Span,
    pub value: Value,
}

/// What a file can say.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// Of JSON.
    Null,
    /// Of TOML: a date or a time.
    Date,
}

/// A key of a table and its value.
#[derive(Clone, PartialEq)]
pub(crate) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub node: Node,
}

impl Node {
    pub fn new(span: Span, value: Value) -> Self {
        Self { span, value }
    }

    /// A text that stands nowhere, as one from the command line.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(0..0, Value::Text(text.into()))
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_table(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under `key`; the last one, where there are more.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry under `key`; the last one, where there are more.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_table()?.iter().rev().find(|entry| entry.key == key)
    }

    /// What it is, with its article: `a number`.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a text",
            Value::Integer(_) | Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Null => "null",
            Value::Date => "a date",
        }
    }
}

impl Entry {
    /// An entry that stands nowhere.
    pub fn new(key: impl Into<String>, node: Node) -> Self {
        Self { key: key.into(), key_span: node.span.clone(), node }
    }
}

impl fmt::Debug for Node {
    /// The kind alone: any value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}
