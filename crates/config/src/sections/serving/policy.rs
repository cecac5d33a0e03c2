use super::super::name::principal;
use crate::{
    Located,
    reading::{Key, Kind, Section, Table},
};
use std::ops::RangeInclusive;

/// Where requests may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The ground the rules stand on.
    pub preset: Preset,
    /// The rules, in the order of the file, which means nothing.
    pub rules: Vec<Rule>,
    /// Policies of principals, which hold for them in the place of this one.
    pub principals: Vec<(Located<String>, Policy)>,
}

/// The ground that rules stand on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Loopback, private and public addresses.
    #[default]
    Standard,
    /// Public addresses.
    PublicOnly,
    /// Nothing.
    AllowList,
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Opens it.
    Allow,
    /// Closes it.
    Deny,
}

/// The scheme of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

/// One rule. Of each list one has to match; an empty list always does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub at: Located<()>,
    /// What it does.
    pub action: Action,
    /// What the audit calls it.
    pub name: Option<Located<String>>,
    /// Hosts.
    pub hosts: Vec<Located<String>>,
    /// CIDRs and addresses.
    pub networks: Vec<Located<String>>,
    /// Ports.
    pub ports: Vec<RangeInclusive<u16>>,
    /// The scheme, if only one.
    pub scheme: Option<Scheme>,
    /// Methods.
    pub methods: Vec<Located<String>>,
    /// Whose requests.
    pub principals: Vec<Located<String>>,
}

const PRESET: Key = Key::new(
    "preset",
    Kind::Text,
    "`\"standard\"`",
    "`\"standard\"`: loopback, private and public addresses. `\"public-only\"`: public ones. `\"allow-list\"`: nothing but what rules allow.",
);

pub(super) static TABLE: Table = Table {
    path: "policy",
    meaning: "Where requests of `afield serve` may go. What it means in full is in [policy.md](policy.md).",
    keys: &[
        PRESET,
        Key::new("rules", Kind::List, "none", "Rules, each headed `[[policy.rules]]`; see below."),
        Key::new("principals", Kind::Tables, "none", "Policies of principals, by their names; see below."),
    ],
};

pub(super) static OF_PRINCIPAL: Table = Table {
    path: "policy.principals.NAME",
    meaning: "A policy that holds for this principal in the place of the general one.",
    keys: &[
        PRESET,
        Key::new(
            "rules",
            Kind::List,
            "none",
            "Rules, each headed `[[policy.principals.NAME.rules]]`, as above but without `principals`.",
        ),
    ],
};

pub(super) static RULE: Table = Table {
    path: "[policy.rules]",
    meaning: "A rule. Of each list that is given one has to match. Deny wins over allow; the order of rules does not matter.",
    keys: &[
        Key::new("action", Kind::Text, "needed", "`\"allow\"` or `\"deny\"`."),
        Key::new(
            "name",
            Kind::Text,
            "the rule itself",
            "What logs, the audit and `afield policy check` call it.",
        ),
        Key::new(
            "hosts",
            Kind::TextOrTexts,
            "any",
            "Names, `\"*.name\"` for everything below a name, or addresses.",
        ),
        Key::new("networks", Kind::TextOrTexts, "any", "CIDRs, as `\"10.1.0.0/16\"`, or addresses."),
        Key::new("ports", Kind::Ports, "any", "`443`, `\"8000-8099\"`, or a list of them."),
        Key::new("scheme", Kind::Text, "any", "`\"http\"` or `\"https\"`."),
        Key::new(
            "methods",
            Kind::TextOrTexts,
            "any",
            "Whatever their case. Only in deny rules that name no address, since a connection serves any method.",
        ),
        Key::new("principals", Kind::TextOrTexts, "anyone", "Whose requests it is for."),
    ],
};

pub(super) fn read(section: &Section<'_>) -> Policy {
    let mut policy = one(section);
    for entry in section.sections("principals") {
        let path = section.path_of("principals") + "." + &entry.key;
        if !principal(&entry.key) {
            section.reader.refuse(
                &entry.key_span,
                &path,
                "this is no principal's name",
                "write one word, as `afield token new --name` takes it",
            );
        }
        let own = Section::open(section.reader, &OF_PRINCIPAL, path, &entry.key_span, &entry.node);
        let own = one(&own);
        for name in own.rules.iter().flat_map(|rule| &rule.principals) {
            let problem = name.problem("this rule holds for one principal already", "take principals out");
            section.reader.note(problem);
        }
        let name = section.located(&entry.key_span, "principals", entry.key.clone());
        policy.principals.push((name, own));
    }
    policy
}

fn one(section: &Section<'_>) -> Policy {
    let presets = [
        ("standard", Preset::Standard),
        ("public-only", Preset::PublicOnly),
        ("allow-list", Preset::AllowList),
    ];
    Policy {
        preset: section.choice("preset", &presets).unwrap_or_default(),
        rules: section.list("rules", &RULE).iter().filter_map(rule).collect(),
        principals: Vec::new(),
    }
}

fn rule(section: &Section<'_>) -> Option<Rule> {
    if section.entry("action").is_none() {
        section.refuse_section("this rule does not say what it does", "write action = \"allow\" or \"deny\"");
    }
    for name in ["hosts", "networks", "ports", "methods", "principals"] {
        // Taken as "any" it would do more than was meant.
        section.refuse_empty_list(name);
    }
    Some(Rule {
        at: section.header(),
        name: section.located_text("name"),
        hosts: section.located_texts("hosts"),
        networks: section.located_texts("networks"),
        ports: section.ports("ports"),
        scheme: section.choice("scheme", &[("http", Scheme::Http), ("https", Scheme::Https)]),
        methods: section.located_texts("methods"),
        principals: section.located_texts("principals"),
        action: section.choice("action", &[("allow", Action::Allow), ("deny", Action::Deny)])?,
    })
}
