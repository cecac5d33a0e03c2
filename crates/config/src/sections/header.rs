use super::{
    check_name,
    template::{Template, Unset},
};
use crate::{Secret, Variables, reading::Section, syntax::Entry};
use afield_exchange::Header;

/// A header field that goes with every request to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHeader {
    /// Its name, as written.
    pub name: String,
    /// Where its value comes from.
    pub source: Source,
}

/// Where a header's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file itself.
    Literal(Secret),
    /// Variables of this process.
    Here(Template),
    /// A variable of the executor, which this side never learns. It is never replaced by one from here.
    There {
        /// What stands before it, as `Bearer `.
        prefix: String,
        /// Its name over there.
        variable: String,
    },
    /// A secret that the executor's operator declared under this name, which this side never learns.
    Secret(String),
}

/// Why a header has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A variable of this process is not set.
    #[error("header {name}: {unset}")]
    Unset {
        /// The header.
        name: String,
        /// The variable.
        unset: Unset,
    },
    /// The value cannot be sent.
    #[error("header {name}: its value holds a line end or another control character")]
    Value {
        /// The header.
        name: String,
    },
}

impl ServerHeader {
    /// The field as it is sent.
    ///
    /// # Errors
    ///
    /// A variable that is not set, or a value that cannot be sent.
    pub fn resolve(&self, variables: &Variables) -> Result<Header, HeaderError> {
        let name = || self.name.clone();
        let (value, env_var) = match &self.source {
            Source::Literal(value) => (value.expose().to_owned(), None),
            Source::Here(template) => (
                template.resolve(variables).map_err(|unset| HeaderError::Unset { name: name(), unset })?,
                None,
            ),
            Source::There { prefix, variable } => (prefix.clone(), Some(variable.clone())),
            Source::Secret(secret) => return Ok(Header::secret(name(), secret)),
        };
        if !is_value(&value) {
            return Err(HeaderError::Value { name: name() });
        }
        Ok(Header { env_var, ..Header::new(name(), value) })
    }
}

/// Field names that the transport writes itself.
const RESERVED: &[&str] = &[
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

/// The headers that a server's section asks for, over all its spellings.
pub(super) fn read(section: &Section<'_>) -> Vec<ServerHeader> {
    let mut headers = Headers { section, found: Vec::new() };
    for (entry, value) in section.map("headers") {
        if !is_value(value) {
            headers.refuse(
                entry,
                "headers",
                "this value holds a line end or another control character",
                "mend it",
            );
            continue;
        }
        headers.push("headers", entry, Source::Literal(Secret::new(value)));
    }
    for (entry, value) in section.map("headers_from_env") {
        match Template::parse(value) {
            Ok(template) => headers.push("headers_from_env", entry, Source::Here(template)),
            Err(what) => headers.refuse(entry, "headers_from_env", what, FIX_HERE),
        }
    }
    for (entry, value) in section.map("headers_from_executor_env") {
        let parsed = Template::parse(value);
        match parsed.as_ref().map(Template::as_suffixed) {
            Ok(Some((prefix, variable))) => {
                let (prefix, variable) = (prefix.to_owned(), variable.to_owned());
                headers.push("headers_from_executor_env", entry, Source::There { prefix, variable });
            }
            Ok(None) => headers.refuse(
                entry,
                "headers_from_executor_env",
                "an executor appends one variable at the end of a header, and no default",
                FIX_THERE,
            ),
            Err(what) => headers.refuse(entry, "headers_from_executor_env", what.clone(), FIX_THERE),
        }
    }
    for (entry, secret) in section.map("headers_from_executor_secret") {
        match check_name(secret) {
            Ok(()) => headers.push("headers_from_executor_secret", entry, Source::Secret(secret.to_owned())),
            Err(_) => headers.refuse(
                entry,
                "headers_from_executor_secret",
                "this is not the name of a secret",
                "write the name under which the executor's operator declared it, not the secret",
            ),
        }
    }
    if let (Some(variable), Some(entry)) =
        (section.text("bearer_token_env_var"), section.entry("bearer_token_env_var"))
    {
        if !super::template::is_variable(variable) {
            section.refuse(
                entry,
                "this is not the name of a variable",
                "write the variable's name, not the token",
            );
        } else if headers.has("authorization") {
            section.refuse(entry, "the header Authorization is given too", "keep one of them");
        } else {
            let source = Source::Here(Template::prefixed("Bearer ", variable));
            headers.found.push(ServerHeader { name: "Authorization".into(), source });
        }
    }
    headers.found
}

const FIX_HERE: &str = "write the variable's name, or a text as \"Bearer ${TOKEN}\"";
const FIX_THERE: &str = "write the name of the executor's variable, or a text as \"Bearer ${TOKEN}\"";

struct Headers<'s, 'a> {
    section: &'s Section<'a>,
    found: Vec<ServerHeader>,
}

impl Headers<'_, '_> {
    fn push(&mut self, table: &str, entry: &Entry, source: Source) {
        let name = entry.key.as_str();
        if !is_name(name) {
            self.refuse(entry, table, "this is not a header's name", "write a name as X-Api-Key");
        } else if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            self.refuse(entry, table, "this header is written by the MCP transport itself", "take it out");
        } else if self.has(name) {
            self.refuse(entry, table, "this header is given twice", "keep one of them");
        } else {
            self.found.push(ServerHeader { name: name.to_owned(), source });
        }
    }

    fn has(&self, name: &str) -> bool {
        self.found.iter().any(|header| header.name.eq_ignore_ascii_case(name))
    }

    fn refuse(&self, entry: &Entry, table: &str, what: impl Into<String>, fix: &str) {
        let path = format!("{}.{:?}", self.section.path_of(table), entry.key);
        self.section.reader.refuse(&entry.key_span, &path, what, fix);
    }
}

/// A token (RFC 9110, section 5.6.2).
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

/// Visible characters, spaces, tabs, and bytes of no meaning (RFC 9110, section 5.5).
fn is_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}
