use super::super::executor::{ClientIdentity, Credential, credential};
use crate::{
    Located, Url,
    reading::{Key, Kind, Section, Table},
};
use std::path::PathBuf;

/// As whom, and by which way, some origins are met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub name: Located<String>,
    /// The origins.
    pub hosts: Vec<Located<String>>,
    /// For whose requests; empty: anyone's.
    pub principals: Vec<Located<String>>,
    /// What is shown to origins that ask for a certificate.
    pub identity: Option<ClientIdentity>,
    /// Authorities.
    pub ca: Option<PathBuf>,
    /// Whether these are the only ones.
    pub ca_only: bool,
    /// The lowest version of TLS.
    pub min_tls: TlsVersion,
    /// The proxy on the way.
    pub proxy: Option<UpstreamProxy>,
    /// Whether a `Host` that is not the URL's may go through the proxy.
    pub allow_own_host: bool,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamProxy {
    /// Where it is.
    pub url: Located<Url>,
    /// Who it is told is there.
    pub credentials: Option<(String, Credential)>,
    /// Whether it resolves the origins' names.
    pub resolves_names: bool,
}

pub(super) static TABLE: Table = Table {
    path: "[upstreams]",
    meaning: "As whom, and by which way, `afield serve` meets origins; for each hop the first that applies holds. See [policy.md](policy.md#by-which-way-and-as-whom).",
    keys: &[
        Key::new("name", Kind::Text, "needed", "What the audit calls it."),
        Key::new(
            "hosts",
            Kind::TextOrTexts,
            "needed",
            "The origins: `\"host\"`, `\"*.host\"`, an address, each with or without `:port`, or `\"*\"`.",
        ),
        Key::new("principals", Kind::TextOrTexts, "anyone", "Only for requests of these."),
        Key::new(
            "client_certificate",
            Kind::Path,
            "none",
            "Shown to origins that ask for one (PEM). Needs `client_key`.",
        ),
        Key::new("client_key", Kind::Path, "none", "The key of `client_certificate` (PEM)."),
        Key::new("ca", Kind::Path, "none", "Authorities, besides the general ones (PEM)."),
        Key::new("ca_only", Kind::Boolean, "`false`", "Those of `ca` are the only ones."),
        Key::new("min_tls", Kind::Text, "`\"1.2\"`", "The lowest version of TLS: `\"1.2\"` or `\"1.3\"`."),
        Key::new(
            "proxy",
            Kind::Url,
            "none",
            "`http://`, `https://`, `socks5://` or `socks5h://`, with a host and a port.",
        ),
        Key::new("proxy_user", Kind::Text, "none", "Who the proxy is told is there. Needs a password."),
        Key::new("proxy_password_file", Kind::Path, "none", "The file of the password."),
        Key::new("proxy_password_env", Kind::Text, "none", "The variable of the password."),
        Key::new(
            "proxy_resolves_names",
            Kind::Boolean,
            "`false`",
            "Names are the proxy's to resolve; the policy then cannot judge where they lead.",
        ),
        Key::new(
            "allow_own_host",
            Kind::Boolean,
            "`false`",
            "Requests whose `Host` is not their URL's may go through the proxy; which of the two it goes by is its own affair.",
        ),
    ],
};

pub(super) fn read(root: &Section<'_>) -> Vec<Upstream> {
    root.list("upstreams", &TABLE).iter().filter_map(one).collect()
}

fn one(section: &Section<'_>) -> Option<Upstream> {
    for name in ["name", "hosts"] {
        if section.entry(name).is_none() {
            section.refuse_section(format!("this upstream lacks its {name}"), format!("give {name}"));
        }
    }
    section.refuse_empty_list("principals");
    if let (Some(entry), None) = (section.entry("ca_only"), section.entry("ca")) {
        section.refuse(entry, "this means nothing without ca", "take it out");
    }
    Some(Upstream {
        hosts: section.located_texts("hosts"),
        principals: section.located_texts("principals"),
        identity: super::super::executor::identity(section),
        ca: section.path_value("ca"),
        ca_only: section.boolean("ca_only").unwrap_or(false),
        min_tls: section
            .choice("min_tls", &[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)])
            .unwrap_or_default(),
        proxy: proxy(section),
        allow_own_host: section.boolean("allow_own_host").unwrap_or(false),
        name: section.located_text("name")?,
    })
}

fn proxy(section: &Section<'_>) -> Option<UpstreamProxy> {
    let Some(entry) = section.entry("proxy") else {
        for name in [
            "proxy_user",
            "proxy_password_file",
            "proxy_password_env",
            "proxy_resolves_names",
            "allow_own_host",
        ] {
            if let Some(entry) = section.entry(name) {
                section.refuse(entry, "this means nothing without proxy", "take it out");
            }
        }
        return None;
    };
    let password = credential(section, "proxy_password_file", "proxy_password_env");
    let user = section.text("proxy_user");
    if user.is_some() != password.is_some() {
        section.refuse(
            entry,
            "a proxy's user and password go together",
            "give proxy_user, and proxy_password_file or proxy_password_env",
        );
    }
    let url = section.url("proxy", &["http", "https", "socks5", "socks5h"])?;
    if url.has_userinfo() {
        let fix = "use proxy_user and proxy_password_file";
        section.refuse(entry, "a name or a password stands in the URL", fix);
        return None;
    }
    Some(UpstreamProxy {
        url: section.located(&entry.node.span, "proxy", url),
        credentials: user.map(str::to_owned).zip(password),
        resolves_names: section.boolean("proxy_resolves_names").unwrap_or(false),
    })
}
