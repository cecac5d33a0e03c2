use super::template::is_variable;
use crate::{
    Secret, Url, Variables,
    reading::{Key, Kind, Section, Table},
};
use std::{fmt, path::PathBuf, time::Duration};

/// An executor, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executor {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is.
    pub reach: Reach,
    /// Where its token comes from, if it wants one.
    pub token: Option<Credential>,
    /// Send the token over `ws:` to an address that is not loopback. Default: no.
    pub allow_plaintext_token: bool,
    /// The authorities that its certificate is checked against (PEM). Default: those of the environment.
    pub ca: Option<PathBuf>,
    /// What this side proves itself with (mTLS).
    pub identity: Option<ClientIdentity>,
    /// SHA-256 of the certificates or public keys it may show, each as 64 hexadecimal digits or as `sha256//` and base64; any
    /// other is refused. Empty: any that is trusted.
    pub pinned_certificates: Vec<String>,
    /// An HTTP proxy to connect through.
    pub proxy: Option<Url>,
    /// What is spoken with it.
    pub dialect: Dialect,
    /// Over connecting, until the session is open. Default 10 s.
    pub connect_timeout: Duration,
    /// Whether the MCP servers that it offers are used as if they stood in the configuration. Default: no.
    pub use_offered: bool,
}

/// Where an executor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At a WebSocket.
    Url(Url),
    /// At a WebSocket on this Unix socket.
    Unix(PathBuf),
    /// Behind a program that is started here and speaks on standard input and output.
    Command(Start),
}

/// A program to start.
#[derive(Clone, PartialEq, Eq)]
pub struct Start {
    /// The program, as a shell would find it.
    pub program: String,
    /// Its arguments, exactly.
    pub args: Vec<String>,
    /// Variables that it gets besides those of this process.
    pub env: Vec<(String, Secret)>,
}

impl fmt::Debug for Start {
    /// Without the arguments, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Start({:?}, {} arguments, env {:?})", self.program, self.args.len(), self.env)
    }
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate and those that vouch for it (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
}

/// What is spoken with an executor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The best that both sides know.
    #[default]
    Auto,
    /// What every executor of the family knows.
    Base,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A file; white space around the secret is not part of it.
    File(PathBuf),
    /// A variable of this process.
    Variable(String),
}

/// The largest file that is read for a secret.
const LARGEST: u64 = 64 * 1024;

impl Credential {
    /// The secret. Reads a file; may block.
    ///
    /// # Errors
    ///
    /// What is missing, and never the secret.
    pub fn read(&self, variables: &Variables) -> Result<Secret, String> {
        let (text, from) = match self {
            Self::File(path) => {
                let name = path.display();
                let cannot = |why: &dyn fmt::Display| format!("cannot read {name}: {why}");
                let size = std::fs::metadata(path).map_err(|error| cannot(&error))?.len();
                if size > LARGEST {
                    return Err(cannot(&format_args!("it is larger than {LARGEST} bytes")));
                }
                (std::fs::read_to_string(path).map_err(|error| cannot(&error))?, name.to_string())
            }
            Self::Variable(name) => {
                let text = variables.text(name).ok_or_else(|| format!("the variable {name} is not set"))?;
                (text, format!("the variable {name}"))
            }
        };
        match text.trim() {
            "" => Err(format!("{from} is empty")),
            text if text.contains(|c: char| c.is_control()) => {
                Err(format!("{from} holds more than one line"))
            }
            text => Ok(Secret::new(text)),
        }
    }
}

pub(super) static TABLE: Table = Table {
    path: "executors.NAME",
    meaning: "An executor that servers can be placed at, and how to reach it. The name `local` is this process and cannot be taken.",
    keys: &[
        Key {
            name: "url",
            aliases: &[],
            kind: Kind::Url,
            default: "this or `command` is needed",
            meaning: "Where it listens: `ws://…`, `wss://…`, `unix:FILE`, a Unix socket, or `ssh://[USER@]HOST[:PORT][/FILE]`: what `afield stdio` reaches on that host.",
        },
        Key {
            name: "command",
            aliases: &[],
            kind: Kind::TextOrTexts,
            default: "this or `url` is needed",
            meaning: "A program that is started here and speaks the protocol on standard input and output: `[\"ssh\", \"host\", \"afield\", \"stdio\"]`, or the program alone with `args`.",
        },
        Key {
            name: "args",
            aliases: &[],
            kind: Kind::Texts,
            default: "none",
            meaning: "The program's arguments, where `command` is the program alone.",
        },
        Key {
            name: "env",
            aliases: &[],
            kind: Kind::Map,
            default: "none",
            meaning: "Variables for the program, besides those of this process.",
        },
        Key {
            name: "token_file",
            aliases: &[],
            kind: Kind::Path,
            default: "no token",
            meaning: "The file that holds the token it wants, read at each connection.",
        },
        Key {
            name: "token_env",
            aliases: &["bearer_token_env_var"],
            kind: Kind::Text,
            default: "no token",
            meaning: "The variable of this process that holds the token it wants.",
        },
        Key {
            name: "allow_plaintext_token",
            aliases: &[],
            kind: Kind::Boolean,
            default: "`false`",
            meaning: "Send the token over `ws://` off this machine, where whoever listens on the way can read it.",
        },
        Key {
            name: "ca",
            aliases: &[],
            kind: Kind::Path,
            default: "the platform's",
            meaning: "Authorities that its certificate is checked against (PEM).",
        },
        Key {
            name: "client_certificate",
            aliases: &[],
            kind: Kind::Path,
            default: "none",
            meaning: "The certificate that this side shows (PEM). Needs `client_key`.",
        },
        Key {
            name: "client_key",
            aliases: &[],
            kind: Kind::Path,
            default: "none",
            meaning: "The key of `client_certificate` (PEM).",
        },
        Key {
            name: "pinned_certificate_sha256",
            aliases: &[],
            kind: Kind::TextOrTexts,
            default: "any trusted one",
            meaning: "SHA-256 of the certificate or public key it must show: 64 hexadecimal digits, or `sha256//` and base64; a list where it is about to change.",
        },
        Key {
            name: "proxy",
            aliases: &[],
            kind: Kind::Url,
            default: "none",
            meaning: "An HTTP proxy to connect through, `http://…`.",
        },
        Key {
            name: "dialect",
            aliases: &[],
            kind: Kind::Text,
            default: "`\"auto\"`",
            meaning: "`\"auto\"`: the best both sides know. `\"base\"`: what every executor of the family knows.",
        },
        Key {
            name: "connect_timeout",
            aliases: &[],
            kind: Kind::Duration,
            default: "`\"10s\"`",
            meaning: "How long connecting may take, until the session is open.",
        },
        Key {
            name: "use_offered",
            aliases: &[],
            kind: Kind::Boolean,
            default: "`false`",
            meaning: "Use the MCP servers that its operator offers, by their names, as if they stood in this file with `environment` set to this executor. What stands in the file goes before.",
        },
    ],
};

/// `None` where it cannot be reached as written; why was said.
pub(super) fn read(name: &str, section: &Section<'_>) -> Option<Executor> {
    let reach = reach(section);
    let token = credential(section, "token_file", "token_env");
    let over_ssh = matches!(&reach, Some(Reach::Url(url)) if url.scheme() == "ssh");
    let over_url = matches!(reach, Some(Reach::Url(_))) && !over_ssh;
    let over_tls = matches!(&reach, Some(Reach::Url(url)) if url.scheme() == "wss");
    let connected = !matches!(reach, Some(Reach::Command(_))) && !over_ssh;
    for (name, fits, wanted) in [
        ("token_file", connected, "url"),
        ("token_env", connected, "url"),
        ("proxy", over_url, "ws:// or wss:// url"),
        ("ca", over_tls, "wss:// url"),
        ("client_certificate", over_tls, "wss:// url"),
        ("client_key", over_tls, "wss:// url"),
        ("pinned_certificate_sha256", over_tls, "wss:// url"),
    ] {
        if let (Some(entry), false, true) = (section.entry(name), fits, reach.is_some()) {
            section.refuse(entry, format!("this means nothing without a {wanted}"), "take it out");
        }
    }
    Some(Executor {
        name: name.to_owned(),
        token,
        allow_plaintext_token: section.boolean("allow_plaintext_token").unwrap_or(false),
        ca: section.path_value("ca"),
        identity: identity(section),
        pinned_certificates: pins(section),
        proxy: section.url("proxy", &["http"]),
        dialect: dialect(section),
        connect_timeout: section.duration("connect_timeout", false).unwrap_or(Duration::from_secs(10)),
        use_offered: section.boolean("use_offered").unwrap_or(false),
        reach: reach?,
    })
}

fn reach(section: &Section<'_>) -> Option<Reach> {
    match (section.entry("url"), section.entry("command")) {
        (Some(_), Some(command)) => {
            section.refuse(
                command,
                "an executor has a url or a command, and this one has both",
                "keep one of them",
            );
            None
        }
        (Some(entry), None) => {
            for name in ["args", "env"] {
                if let Some(entry) = section.entry(name) {
                    section.refuse(entry, "this belongs to a command", "take it out");
                }
            }
            if let Some(path) = section.text("url")?.strip_prefix("unix:") {
                return Some(Reach::Unix(section.reader.source.resolve(path)));
            }
            let url = section.url("url", &["wss", "ws", "ssh"])?;
            if url.has_userinfo() && url.scheme() != "ssh" {
                section.refuse(
                    entry,
                    "a name or a password stands in the URL",
                    "use token_file or token_env",
                );
                return None;
            }
            Some(Reach::Url(url))
        }
        (None, Some(_)) => start(section).map(Reach::Command),
        (None, None) => {
            section.refuse_section(
                "this executor has neither a url nor a command",
                "write url = \"wss://host:7411\", \"ssh://host\", or command = [\"ssh\", \"host\", \"afield\", \"stdio\"]",
            );
            None
        }
    }
}

fn start(section: &Section<'_>) -> Option<Start> {
    let entry = section.entry("command")?;
    let words = section.texts("command")?;
    let args = section.texts("args").unwrap_or_default();
    let (program, first) = words.split_first().unwrap_or((&"", &[]));
    if program.trim().is_empty() {
        section.refuse(entry, "this names no program", "write [\"program\", \"argument\"]");
        return None;
    }
    if !first.is_empty() && section.entry("args").is_some() {
        section.refuse(entry, "there are arguments here and in args", "keep them in one place");
        return None;
    }
    if entry.node.as_text().is_some()
        && section.entry("args").is_none()
        && program.contains(char::is_whitespace)
    {
        section.refuse(
            entry,
            "this is taken for the name of one program, and holds a space",
            "write each word on its own: [\"ssh\", \"host\", …]",
        );
        return None;
    }
    let env = section.map("env").map(|(entry, value)| (entry.key.clone(), Secret::new(value))).collect();
    let args = first.iter().chain(&args).map(|word| (*word).to_owned()).collect();
    Some(Start { program: (*program).to_owned(), args, env })
}

/// The file or the variable that a secret comes from: one of them, or none.
pub(super) fn credential(section: &Section<'_>, file: &str, variable: &str) -> Option<Credential> {
    match (section.entry(file), section.entry(variable)) {
        (Some(_), Some(entry)) => {
            section.refuse(entry, format!("`{file}` is given too"), "keep one of them");
            None
        }
        (Some(_), None) => section.path_value(file).map(Credential::File),
        (None, Some(entry)) => {
            let name = section.text(variable)?;
            if !is_variable(name) {
                section.refuse(
                    entry,
                    "this is not the name of a variable",
                    "write the variable's name, not the secret",
                );
                return None;
            }
            Some(Credential::Variable(name.to_owned()))
        }
        (None, None) => None,
    }
}

pub(super) fn identity(section: &Section<'_>) -> Option<ClientIdentity> {
    match (section.entry("client_certificate"), section.entry("client_key")) {
        (Some(_), Some(_)) => Some(ClientIdentity {
            certificate: section.path_value("client_certificate")?,
            key: section.path_value("client_key")?,
        }),
        (Some(entry), None) => {
            section.refuse(entry, "a certificate without its key proves nothing", "give client_key too");
            None
        }
        (None, Some(entry)) => {
            section.refuse(
                entry,
                "a key without its certificate proves nothing",
                "give client_certificate too",
            );
            None
        }
        (None, None) => None,
    }
}

fn pins(section: &Section<'_>) -> Vec<String> {
    let Some(entry) = section.entry("pinned_certificate_sha256") else { return Vec::new() };
    let texts = section.texts("pinned_certificate_sha256").unwrap_or_default();
    if texts.is_empty() || !texts.iter().all(|text| is_pin(text)) {
        section.refuse(
            entry,
            "this is no SHA-256",
            "write 64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256 -in FILE` shows them",
        );
        return Vec::new();
    }
    texts.into_iter().map(|text| text.trim().to_owned()).collect()
}

/// 64 hexadecimal digits, with colons between pairs or without; or 32 bytes in base64, as curl pins keys.
fn is_pin(text: &str) -> bool {
    if let Some(base64) = text.trim().strip_prefix("sha256//") {
        let digits = base64.trim_end_matches('=');
        return digits.len() == 43
            && digits.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    }
    let digits: Vec<char> = text.trim().chars().filter(|c| *c != ':').collect();
    digits.len() == 64 && digits.iter().all(char::is_ascii_hexdigit)
}

fn dialect(section: &Section<'_>) -> Dialect {
    match section.text("dialect") {
        None | Some("auto") => Dialect::Auto,
        Some("base") => Dialect::Base,
        Some(_) => {
            if let Some(entry) = section.entry("dialect") {
                section.refuse(entry, "this dialect is not known", "write \"auto\" or \"base\"");
            }
            Dialect::Auto
        }
    }
}
