use crate::{
    Located,
    reading::{Key, Kind, Section, Table},
};

/// A secret that goes without being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attach {
    /// Its name.
    pub secret: Located<String>,
    /// The header field.
    pub header: Located<String>,
    /// Where it goes; empty: wherever it may.
    pub hosts: Vec<Located<String>>,
    /// With which methods; empty: any.
    pub methods: Vec<Located<String>>,
    /// With whose requests; empty: anyone's.
    pub principals: Vec<Located<String>>,
}

pub(super) static TABLE: Table = Table {
    path: "[attach]",
    meaning: "A secret of `[secrets.NAME]` that `afield serve` sends without being asked. Of those for one header field the first that applies counts.",
    keys: &[
        Key::new("secret", Kind::Text, "needed", "The name of the secret."),
        Key::new(
            "header",
            Kind::Text,
            "needed",
            "The header field, in the place of what the caller sends there.",
        ),
        Key::new("hosts", Kind::TextOrTexts, "where the secret may go", "Only there."),
        Key::new("methods", Kind::TextOrTexts, "any", "Only with these, whatever their case."),
        Key::new("principals", Kind::TextOrTexts, "anyone", "Only with requests of these."),
    ],
};

pub(super) fn read(root: &Section<'_>) -> Vec<Attach> {
    let attach = root.list("attach", &TABLE);
    let attach = attach.iter().filter_map(|section| {
        for name in ["secret", "header"] {
            if section.entry(name).is_none() {
                section.refuse_section(format!("this lacks its {name}"), format!("give {name}"));
            }
        }
        for name in ["hosts", "methods", "principals"] {
            section.refuse_empty_list(name);
        }
        Some(Attach {
            secret: section.located_text("secret")?,
            header: section.located_text("header")?,
            hosts: section.located_texts("hosts"),
            methods: section.located_texts("methods"),
            principals: section.located_texts("principals"),
        })
    });
    attach.collect()
}
