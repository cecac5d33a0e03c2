use super::{Kind, Reader, Table, nearest};
use crate::{
    Url,
    duration::{from_seconds, parse_duration},
    syntax::{Entry, Node, Span, Value},
};
use std::{path::PathBuf, time::Duration};

/// A section that is being read. Opening it checks its keys and the kinds of their values; what fails that check is
/// said, and then counts as not given.
pub(crate) struct Section<'a> {
    pub reader: &'a Reader<'a>,
    /// Where the section stands: its header.
    pub span: Span,
    path: String,
    table: &'static Table,
    entries: Vec<(&'static str, &'a Entry)>,
}

impl<'a> Section<'a> {
    /// Opens `node` as a section of this table, at this path.
    pub fn open(
        reader: &'a Reader<'a>,
        table: &'static Table,
        path: impl Into<String>,
        span: &Span,
        node: &'a Node,
    ) -> Self {
        let path = path.into();
        let mut section = Self { reader, span: span.clone(), path, table, entries: Vec::new() };
        match &node.value {
            Value::Table(entries) => entries.iter().for_each(|entry| section.take(entry)),
            _ => {
                let (what, fix) = Kind::Table.mismatch(node).unwrap_or_default();
                reader.refuse(&node.span, &section.path, what, fix);
            }
        }
        section
    }

    fn take(&mut self, entry: &'a Entry) {
        let path = self.path_of(&entry.key);
        let Some(key) = self.table.key(&entry.key) else {
            return self.refuse_unknown(entry, &path);
        };
        if let Some((_, first)) = self.entries.iter().find(|(name, _)| *name == key.name) {
            let what = if first.key == entry.key {
                "this key is given twice".to_owned()
            } else {
                format!("this means the same as `{}`, which is given too", first.key)
            };
            self.reader.refuse(&entry.key_span, &path, what, "keep one of them");
            return;
        }
        match key.kind.mismatch(&entry.node) {
            Some((what, fix)) => self.reader.refuse(&entry.node.span, &path, what, fix),
            None => self.entries.push((key.name, entry)),
        }
    }

    fn refuse_unknown(&self, entry: &Entry, path: &str) {
        let names =
            self.table.keys.iter().flat_map(|key| std::iter::once(&key.name).chain(key.aliases)).copied();
        let fix = match nearest(&entry.key, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let names: Vec<_> = self.table.keys.iter().map(|key| key.name).collect();
                format!("known here are {}", names.join(", "))
            }
        };
        self.reader.refuse(&entry.key_span, path, "this key is not known", fix);
    }

    /// The path of a key, as errors name it.
    pub fn path_of(&self, key: &str) -> String {
        let key = if is_bare(key) { key.to_owned() } else { format!("{key:?}") };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// What was given for the key of this name, by whatever name.
    pub fn entry(&self, name: &str) -> Option<&'a Entry> {
        debug_assert!(
            self.table.keys.iter().any(|key| key.name == name),
            "{name} is in the table of {}",
            self.table.path
        );
        self.entries.iter().find(|(known, _)| *known == name).map(|(_, entry)| *entry)
    }

    /// Says what is wrong with the value of a key that was given.
    pub fn refuse(&self, entry: &Entry, what: impl Into<String>, fix: impl Into<String>) {
        self.reader.refuse(&entry.node.span, &self.path_of(&entry.key), what, fix);
    }

    /// Says what is wrong with the section.
    pub fn refuse_section(&self, what: impl Into<String>, fix: impl Into<String>) {
        self.reader.refuse(&self.span, &self.path, what, fix);
    }

    /// A text that is not empty.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let entry = self.entry(name)?;
        let text = entry.node.as_text()?;
        if text.trim().is_empty() {
            self.refuse(entry, "this is empty", "write a value, or leave the key out");
            return None;
        }
        Some(text)
    }

    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.entry(name)?.node.value {
            Value::Boolean(boolean) => Some(boolean),
            _ => None,
        }
    }

    /// A whole number within the bounds of its kind.
    pub fn integer(&self, name: &str) -> Option<i64> {
        let entry = self.entry(name)?;
        let (Value::Integer(number), Some(Kind::Integer(least, most))) =
            (&entry.node.value, self.table.key(name).map(|key| key.kind))
        else {
            return None;
        };
        if !(least..=most).contains(number) {
            self.refuse(entry, "this number is out of bounds", format!("write one from {least} to {most}"));
            return None;
        }
        Some(*number)
    }

    /// A duration; `zero` says whether none at all is one.
    pub fn duration(&self, name: &str, zero: bool) -> Option<Duration> {
        let entry = self.entry(name)?;
        let duration = match &entry.node.value {
            Value::Text(text) => parse_duration(text),
            Value::Integer(seconds) => from_seconds(*seconds as f64),
            Value::Float(seconds) => from_seconds(*seconds),
            _ => return None,
        };
        match duration {
            Ok(Duration::ZERO) if !zero => {
                self.refuse(
                    entry,
                    "0 would leave no time at all",
                    "write a longer one, or leave the key out",
                );
                None
            }
            Ok(duration) => Some(duration),
            Err(what) => {
                self.refuse(entry, what, "write \"30s\", \"5m\", or a number of seconds");
                None
            }
        }
    }

    pub fn path_value(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(|text| self.reader.source.resolve(text))
    }

    /// A URL with one of these schemes.
    pub fn url(&self, name: &str, schemes: &[&str]) -> Option<Url> {
        let text = self.text(name)?;
        self.url_of(self.entry(name)?, text, schemes)
    }

    /// A URL with one of these schemes, that `entry` holds.
    pub fn url_of(&self, entry: &Entry, text: &str, schemes: &[&str]) -> Option<Url> {
        match Url::parse(text, schemes) {
            Ok(url) => Some(url),
            Err(what) => {
                self.refuse(entry, what, format!("write a whole URL, as {}://host/path", schemes[0]));
                None
            }
        }
    }

    /// A list of texts, or one text as a list of one.
    pub fn texts(&self, name: &str) -> Option<Vec<&'a str>> {
        match &self.entry(name)?.node.value {
            Value::List(nodes) => Some(nodes.iter().filter_map(Node::as_text).collect()),
            Value::Text(text) => Some(vec![text]),
            _ => None,
        }
    }

    /// The entries of a table of texts; none where it is not given.
    pub fn map(&self, name: &str) -> impl Iterator<Item = (&'a Entry, &'a str)> + use<'a> {
        let entries = self.entry(name).and_then(|entry| entry.node.as_table()).unwrap_or_default();
        entries.iter().filter_map(|entry| Some((entry, entry.node.as_text()?)))
    }

    /// The entries of a table of sections; none where it is not given.
    pub fn sections(&self, name: &str) -> &'a [Entry] {
        self.entry(name).and_then(|entry| entry.node.as_table()).unwrap_or_default()
    }
}

/// Whether TOML takes a key without quotes.
pub(crate) fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
