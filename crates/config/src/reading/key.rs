use crate::syntax::{Node, Value};
use std::fmt::Write;

/// A section of the file: what it is for, and every key it may hold.
#[derive(Debug)]
pub struct Table {
    /// Its header, as `mcp_servers.NAME`.
    pub path: &'static str,
    /// What it is for, in a sentence.
    pub meaning: &'static str,
    /// Every key, in the order in which it is documented.
    pub keys: &'static [Key],
}

/// A key of a section.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Other names, from the files of other programs.
    pub aliases: &'static [&'static str],
    /// What its value is.
    pub kind: Kind,
    /// What holds where it is not given, for the documentation.
    pub default: &'static str,
    /// What it means, in a sentence or two.
    pub meaning: &'static str,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A URL.
    Url,
    /// A URL, or `false` for none.
    UrlOrFalse,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A file, relative to the configuration file's folder; `~/` is the home folder.
    Path,
    /// `true` or `false`.
    Boolean,
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// `"30s"`, `"5m"`, or a number of seconds.
    Duration,
    /// `"64K"`, `"4M"`, `"1G"`, or a number of bytes.
    Size,
    /// A whole number, a range as `"8000-8099"`, or a list of them.
    Ports,
    /// A list of whole numbers within these bounds.
    Integers(i64, i64),
    /// A list of texts.
    Texts,
    /// A text, or a list of texts.
    TextOrTexts,
    /// A table of texts.
    Map,
    /// A section of its own.
    Table,
    /// A section for each name.
    Tables,
    /// A list of sections, each headed `[[…]]`.
    List,
}

impl Kind {
    /// Its name in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Url => "URL",
            Self::UrlOrFalse => "URL, or `false`",
            Self::Word(_) => "word",
            Self::Path => "file",
            Self::Boolean => "true or false",
            Self::Integer(..) => "whole number",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Ports => "port, range or list of them",
            Self::Integers(..) => "list of whole numbers",
            Self::Texts => "list of texts",
            Self::TextOrTexts => "text or list of texts",
            Self::Map => "table of texts",
            Self::Table => "section",
            Self::Tables => "sections by name",
            Self::List => "list of sections",
        }
    }

    /// Its name in errors, with article and verb.
    fn wanted(self) -> String {
        match self {
            Self::Boolean => "true or false is".to_owned(),
            Self::Tables => "sections by name are".to_owned(),
            _ => format!("a {} is", self.name()),
        }
    }

    /// How a value is written, for errors.
    pub(crate) fn written(self) -> &'static str {
        match self {
            Self::Text => "write it in quotes",
            Self::Url => "write a URL in quotes",
            Self::UrlOrFalse => "write a URL in quotes, or false without them",
            Self::Word(_) => "write one of its words in quotes",
            Self::Path => "write a file name in quotes",
            Self::Boolean => "write true or false, without quotes",
            Self::Integer(..) => "write a whole number, without quotes",
            Self::Duration => "write \"30s\", \"5m\", or a number of seconds",
            Self::Size => "write \"64K\", \"4M\", or a number of bytes",
            Self::Ports => "write 443, \"8000-8099\", or [80, 443]",
            Self::Integers(..) => "write [1, 2]",
            Self::Texts => "write [\"one\", \"two\"]",
            Self::TextOrTexts => "write \"one\", or [\"one\", \"two\"]",
            Self::Map => "write { name = \"value\" }",
            Self::Table | Self::Tables => "write it as a section with a header in brackets",
            Self::List => "write it as sections with a header in double brackets",
        }
    }

    /// What is wrong with a value of another kind, and what to do.
    pub(crate) fn mismatch(self, node: &Node) -> Option<(String, String)> {
        let all_texts = |nodes: &[Node]| nodes.iter().all(|node| node.as_text().is_some());
        let fits = match (self, &node.value) {
            (
                Self::Text
                | Self::Url
                | Self::UrlOrFalse
                | Self::Word(_)
                | Self::Path
                | Self::Duration
                | Self::TextOrTexts,
                Value::Text(_),
            )
            | (Self::UrlOrFalse, Value::Boolean(false))
            | (Self::Boolean, Value::Boolean(_))
            | (Self::Integer(..) | Self::Size | Self::Ports, Value::Integer(_))
            | (Self::Size | Self::Ports, Value::Text(_))
            | (Self::Duration, Value::Integer(_) | Value::Float(_))
            | (Self::Table | Self::Tables, Value::Table(_)) => true,
            (Self::Texts | Self::TextOrTexts, Value::List(nodes)) => all_texts(nodes),
            (Self::Integers(..), Value::List(nodes)) => {
                nodes.iter().all(|node| matches!(node.value, Value::Integer(_)))
            }
            (Self::Ports, Value::List(nodes)) => {
                nodes.iter().all(|node| matches!(node.value, Value::Integer(_) | Value::Text(_)))
            }
            (Self::Map, Value::Table(entries)) => entries.iter().all(|entry| entry.node.as_text().is_some()),
            (Self::List, Value::List(nodes)) => nodes.iter().all(|node| node.as_table().is_some()),
            _ => false,
        };
        let kind = match &node.value {
            Value::List(_)
                if matches!(
                    self,
                    Self::Texts | Self::TextOrTexts | Self::List | Self::Integers(..) | Self::Ports
                ) =>
            {
                "a list of something else"
            }
            Value::Table(_) if self == Self::Map => "a table of something else",
            _ => node.kind(),
        };
        (!fits).then(|| (format!("{} wanted, and this is {kind}", self.wanted()), self.written().to_owned()))
    }
}

impl Key {
    pub(crate) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { name, aliases: &[], kind, default, meaning }
    }
}

impl Table {
    /// The key with this name, or that this is another name of.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name || key.aliases.contains(&name))
    }

    /// The section of the documentation: a table with every key.
    pub fn markdown(&self) -> String {
        let mut text = format!("## `[{}]`\n\n{}\n\n", self.path, self.meaning);
        text.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
        for key in self.keys {
            let mut name = format!("`{}`", key.name);
            for alias in key.aliases {
                let _ = write!(name, ", also `{alias}`");
            }
            let _ = writeln!(text, "| {name} | {} | {} | {} |", key.kind.name(), key.default, key.meaning);
        }
        text
    }
}
