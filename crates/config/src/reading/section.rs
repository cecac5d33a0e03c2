use super::{Kind, Reader, Table, nearest};
use crate::{
    Located, Url,
    duration::{from_seconds, parse_duration},
    size::parse_size,
    syntax::{Entry, Node, Span, Value},
};
use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

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

    /// One of the words of its kind.
    pub fn word(&self, name: &str) -> Option<&'static str> {
        let text = self.text(name)?;
        let Some(Kind::Word(words)) = self.table.key(name).map(|key| key.kind) else { return None };
        let found = words.iter().find(|word| **word == text).copied();
        if let (None, Some(entry)) = (found, self.entry(name)) {
            self.refuse(entry, "this is none of its words", format!("known here are {}", words.join(", ")));
        }
        found
    }

    /// Whether this key says `false`, where it could hold something else.
    pub fn is_false(&self, name: &str) -> bool {
        self.entry(name).is_some_and(|entry| matches!(entry.node.value, Value::Boolean(false)))
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

    /// A text that is not empty, and where it stands.
    pub fn located_text(&self, name: &str) -> Option<Located<String>> {
        let text = self.text(name)?;
        Some(self.located(&self.entry(name)?.node.span, name, text.to_owned()))
    }

    /// A list of texts, none of them empty, each with where it stands; none where it is not given.
    pub fn located_texts(&self, name: &str) -> Vec<Located<String>> {
        let Some(entry) = self.entry(name) else { return Vec::new() };
        let nodes = match &entry.node.value {
            Value::List(nodes) => &nodes[..],
            _ => std::slice::from_ref(&entry.node),
        };
        let texts = nodes.iter().filter_map(|node| Some((node, node.as_text()?)));
        let located = texts.map(|(node, text)| self.located(&node.span, name, text.to_owned()));
        let located: Vec<_> = located.collect();
        for empty in located.iter().filter(|text| text.trim().is_empty()) {
            self.reader.note(empty.problem("this is empty", "write a value, or take it out"));
        }
        located
    }

    /// A value of the key of this name, at this place.
    pub fn located<T>(&self, span: &Span, name: &str, value: T) -> Located<T> {
        Located { value, place: self.reader.source.place(span.start), key: self.path_of(name) }
    }

    /// Where the section stands.
    pub fn header(&self) -> Located<()> {
        Located { value: (), place: self.reader.source.place(self.span.start), key: self.path.clone() }
    }

    /// A value that the section's header gives.
    pub fn header_of<T>(&self, value: T) -> Located<T> {
        let Located { place, key, .. } = self.header();
        Located { value, place, key }
    }

    /// Refuses a list that is given and empty: taken as none at all it would mean the opposite.
    pub fn refuse_empty_list(&self, name: &str) {
        if let Some(entry) = self.entry(name)
            && matches!(&entry.node.value, Value::List(nodes) if nodes.is_empty())
        {
            self.refuse(entry, "this list is empty", "write a value, or leave the key out");
        }
    }

    /// A number of bytes from `least` to `most`.
    pub fn size(&self, name: &str, least: u64, most: u64) -> Option<u64> {
        let entry = self.entry(name)?;
        let bytes = match &entry.node.value {
            Value::Text(text) => parse_size(text),
            Value::Integer(bytes) => {
                u64::try_from(*bytes).map_err(|_| "this is less than nothing".to_owned())
            }
            _ => return None,
        };
        match bytes {
            Ok(bytes) if (least..=most).contains(&bytes) => Some(bytes),
            Ok(_) => {
                self.refuse(
                    entry,
                    "this size is out of bounds",
                    format!("write one from {least} to {most} bytes"),
                );
                None
            }
            Err(what) => {
                self.refuse(entry, what, "write \"64K\", \"4M\", or a number of bytes");
                None
            }
        }
    }

    /// A list of whole numbers within the bounds of its kind; none where it is not given.
    pub fn integers(&self, name: &str) -> Vec<i64> {
        let (Some(entry), Some(Kind::Integers(least, most))) =
            (self.entry(name), self.table.key(name).map(|key| key.kind))
        else {
            return Vec::new();
        };
        let Value::List(nodes) = &entry.node.value else { return Vec::new() };
        let numbers = nodes.iter().filter_map(|node| match node.value {
            Value::Integer(number) => Some(number),
            _ => None,
        });
        let numbers: Vec<i64> = numbers.collect();
        if !numbers.iter().all(|number| (least..=most).contains(number)) {
            self.refuse(entry, "a number is out of bounds", format!("write numbers from {least} to {most}"));
        }
        numbers
    }

    /// Ports and ranges of ports; none where it is not given.
    pub fn ports(&self, name: &str) -> Vec<RangeInclusive<u16>> {
        let Some(entry) = self.entry(name) else { return Vec::new() };
        let nodes = match &entry.node.value {
            Value::List(nodes) => &nodes[..],
            _ => std::slice::from_ref(&entry.node),
        };
        let ports = nodes.iter().filter_map(|node| {
            let range = range_of(node);
            if range.is_none() {
                let (what, fix) = ("this is no port from 1 to 65535", Kind::Ports.written());
                self.reader.refuse(&node.span, &self.path_of(name), what, fix);
            }
            range
        });
        ports.collect()
    }

    /// Each section of a list of sections, opened by this table; none where it is not given.
    pub fn list(&self, name: &str, table: &'static Table) -> Vec<Section<'a>> {
        let Some(Value::List(nodes)) = self.entry(name).map(|entry| &entry.node.value) else {
            return Vec::new();
        };
        let open = |(at, node): (usize, &'a Node)| {
            let path = format!("{}[{at}]", self.path_of(name));
            Section::open(self.reader, table, path, &node.span, node)
        };
        nodes.iter().enumerate().map(open).collect()
    }

    /// The section under this key, opened by this table.
    pub fn section(&self, name: &str, table: &'static Table) -> Option<Section<'a>> {
        let entry = self.entry(name)?;
        Some(Section::open(self.reader, table, self.path_of(name), &entry.key_span, &entry.node))
    }

    /// Which of these words the key of this name has.
    pub fn choice<T: Clone>(&self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| choice.clone());
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.refuse(
                self.entry(name)?,
                "this word is not known here",
                format!("write {}", words.join(" or ")),
            );
        }
        found
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

fn range_of(node: &Node) -> Option<RangeInclusive<u16>> {
    let (first, last) = match &node.value {
        Value::Integer(port) => {
            let port = u16::try_from(*port).ok()?;
            (port, port)
        }
        Value::Text(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            (first.trim().parse().ok()?, last.trim().parse().ok()?)
        }
        _ => return None,
    };
    (first != 0 && first <= last).then_some(first..=last)
}

/// Whether TOML takes a key without quotes.
pub(crate) fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
