use super::super::executor::{Credential, credential};
use crate::{
    Located,
    reading::{Key, Kind, Section, Table},
};

/// A secret that the executor holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSecret {
    /// Its name, and where it stands.
    pub name: Located<String>,
    /// Where its value comes from.
    pub source: Credential,
    /// Where it may go.
    pub hosts: Vec<Located<String>>,
    /// The header fields it may be in; empty: `Authorization`.
    pub headers: Vec<Located<String>>,
    /// What stands before it where the request gives nothing else.
    pub prefix: Option<Located<String>>,
    /// Who may use it; empty: anyone.
    pub principals: Vec<Located<String>>,
    /// Whether it may go over `http:`.
    pub allow_plain_http: bool,
    /// Whether it is taken out of response headers where it comes back.
    pub redact_echo: bool,
}

pub(super) static TABLE: Table = Table {
    path: "secrets.NAME",
    meaning: "A secret that `afield serve` holds. See [secrets.md](secrets.md).",
    keys: &[
        Key::new(
            "env",
            Kind::Text,
            "this or `file` is needed",
            "The variable of the executor that holds it.",
        ),
        Key::new(
            "file",
            Kind::Path,
            "this or `env` is needed",
            "The file that holds it; read again when it changes.",
        ),
        Key::new(
            "hosts",
            Kind::TextOrTexts,
            "needed",
            "Where it may go: `\"host\"`, `\"*.host\"` or an address, each with or without `:port`.",
        ),
        Key::new("headers", Kind::TextOrTexts, "`\"Authorization\"`", "The header fields it may be in."),
        Key::new(
            "prefix",
            Kind::Text,
            "nothing",
            "What stands before it where the request gives nothing else: `\"Bearer \"`, with its space.",
        ),
        Key::new("principals", Kind::TextOrTexts, "anyone", "Who may use it. To others it does not exist."),
        Key::new(
            "allow_plain_http",
            Kind::Boolean,
            "`false`",
            "It may go over `http:` too, where everybody on the way can read it.",
        ),
        Key::new(
            "redact_echo",
            Kind::Boolean,
            "`true`",
            "A response header that holds it shows `[redacted]` in its place.",
        ),
    ],
};

pub(super) fn read(root: &Section<'_>) -> Vec<HeldSecret> {
    let secrets = root.sections("secrets").iter().filter_map(|entry| {
        let path = format!("secrets.{}", entry.key);
        let section = Section::open(root.reader, &TABLE, path, &entry.key_span, &entry.node);
        let mut name = section.header_of(entry.key.clone());
        name.key = format!("secrets.{}", entry.key);
        if section.entry("env").is_none() && section.entry("file").is_none() {
            section.refuse_section("this secret has no value", "give env or file");
        }
        if section.entry("hosts").is_none() {
            section.refuse_section(
                "this secret may go nowhere",
                "name its hosts, as hosts = [\"api.example.com\"]",
            );
        }
        section.refuse_empty_list("principals");
        section.refuse_empty_list("headers");
        Some(HeldSecret {
            name,
            hosts: section.located_texts("hosts"),
            headers: section.located_texts("headers"),
            prefix: section.located_text("prefix"),
            principals: section.located_texts("principals"),
            allow_plain_http: section.boolean("allow_plain_http").unwrap_or(false),
            redact_echo: section.boolean("redact_echo").unwrap_or(true),
            source: credential(&section, "file", "env")?,
        })
    });
    secrets.collect()
}
