use crate::reading::{Key, Kind, Section, Table};
use std::path::PathBuf;

/// What an executor notes of who came and what was asked, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Where.
    pub sink: Option<AuditSink>,
    /// The file, where it is one.
    pub path: Option<PathBuf>,
    /// A file that is this large gives way to a new one.
    pub rotate_bytes: Option<u64>,
    /// Older files that are kept.
    pub keep: Option<u32>,
}

/// Where an audit goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditSink {
    /// Connections and reloads to the log, requests nowhere.
    Log,
    /// Nothing anywhere.
    Off,
    /// Standard error.
    Stderr,
    /// A file.
    File,
    /// The system's journal.
    Journald,
}

impl AuditSink {
    /// Every sink and its name.
    pub const NAMES: [(&str, Self); 5] = [
        ("log", Self::Log),
        ("off", Self::Off),
        ("stderr", Self::Stderr),
        ("file", Self::File),
        ("journald", Self::Journald),
    ];
}

pub(super) static TABLE: Table = Table {
    path: "audit",
    meaning: "One line for each connection, request and reload of `afield serve`. See [audit.md](audit.md).",
    keys: &[
        Key::new(
            "sink",
            Kind::Text,
            "`\"log\"`, or `\"file\"` with `path`",
            "`\"stderr\"`, `\"file\"` or `\"journald\"`: a line of JSON for each. `\"log\"`: connections and reloads are events of the log, and requests are not noted. `\"off\"`: nothing.",
        ),
        Key::new("path", Kind::Path, "needed for `\"file\"`", "The file. It is opened anew on SIGHUP."),
        Key::new(
            "rotate_bytes",
            Kind::Size,
            "`\"64M\"`",
            "A file that is this large becomes `path.1`, `path.1` becomes `path.2`, and so on. `0`: never.",
        ),
        Key::new("keep", Kind::Integer(0, 1000), "`5`", "How many of those are kept."),
    ],
};

pub(super) fn read(section: &Section<'_>) -> Audit {
    let audit = Audit {
        sink: section.choice("sink", &AuditSink::NAMES),
        path: section.path_value("path"),
        rotate_bytes: section.size("rotate_bytes", 0, 1 << 50),
        keep: section.integer("keep").and_then(|keep| keep.try_into().ok()),
    };
    if let (Some(AuditSink::File), None, Some(entry)) = (audit.sink, &audit.path, section.entry("sink")) {
        section.refuse(entry, "the file has no name", "give path");
    }
    if let (Some(sink), Some(entry)) = (audit.sink, section.entry("path"))
        && sink != AuditSink::File
    {
        section.refuse(entry, "this means nothing unless sink is \"file\"", "take it out");
    }
    audit
}
