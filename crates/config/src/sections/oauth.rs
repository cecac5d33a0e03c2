use crate::{
    Url,
    reading::{Key, Kind, Section, Table},
    sections::executor::Credential,
};

/// How to get a token for a server that wants OAuth. Everything that is not given is discovered or asked of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OAuth {
    /// The client's identifier, where it was registered by hand. Default: the client registers itself.
    pub client_id: Option<String>,
    /// The client's secret, where it has one.
    pub client_secret: Option<Credential>,
    /// What to ask for. Default: what the server's challenge or metadata names.
    pub scopes: Vec<String>,
    /// The loopback port of the callback. Default: any free one.
    pub redirect_port: Option<u16>,
    /// Ask for a token with the client's own credentials, without a person (RFC 6749, section 4.4).
    pub client_credentials: bool,
    /// How the client proves its secret, by the name that metadata has for it. Default: as the authorization server says.
    pub token_endpoint_auth_method: Option<&'static str>,
    /// The authorization server's issuer. Default: the one that the server names.
    pub issuer: Option<Url>,
    /// The resource to ask a token for (RFC 8707). Default: the server's URL, as its metadata has it.
    pub resource: Option<Url>,
    /// Not to say what a token is for: some authorization servers refuse to be told.
    pub without_resource: bool,
    /// The URL at which the client's metadata document stands, for servers that take one in place of a registration.
    pub client_metadata_url: Option<Url>,
}

pub(super) static TABLE: Table = Table {
    path: "mcp_servers.NAME.oauth",
    meaning: "For servers that want OAuth and cannot find out everything themselves. `afield mcp login NAME` gets the token.",
    keys: &[
        Key {
            name: "client_id",
            aliases: &[],
            kind: Kind::Text,
            default: "the client registers itself",
            meaning: "The identifier of a client that was registered by hand.",
        },
        Key {
            name: "client_secret_env",
            aliases: &[],
            kind: Kind::Text,
            default: "none",
            meaning: "The variable of this process that holds the client's secret.",
        },
        Key {
            name: "client_secret_file",
            aliases: &[],
            kind: Kind::Path,
            default: "none",
            meaning: "The file that holds the client's secret.",
        },
        Key {
            name: "scopes",
            aliases: &[],
            kind: Kind::TextOrTexts,
            default: "what the server names",
            meaning: "The scopes to ask for, as a list or as one text with spaces.",
        },
        Key {
            name: "redirect_port",
            aliases: &["callback_port"],
            kind: Kind::Integer(1, 65535),
            default: "any free port",
            meaning: "The loopback port that the browser comes back to. Needed only where the authorization server insists on one.",
        },
        Key {
            name: "client_credentials",
            aliases: &[],
            kind: Kind::Boolean,
            default: "`false`",
            meaning: "Get the token with the client's own identifier and secret, without a person and a browser.",
        },
        Key {
            name: "resource",
            aliases: &[],
            kind: Kind::UrlOrFalse,
            default: "the server's URL",
            meaning: "The resource that the token is for; `false` says nothing of it, for authorization servers that refuse to be told.",
        },
        Key {
            name: "issuer",
            aliases: &[],
            kind: Kind::Url,
            default: "what the server names",
            meaning: "The authorization server, where the server names it wrongly or not at all.",
        },
        Key {
            name: "token_endpoint_auth_method",
            aliases: &[],
            kind: Kind::Word(&["client_secret_basic", "client_secret_post", "none"]),
            default: "as the authorization server says",
            meaning: "How the client proves that it is the client: by its secret in the `Authorization` field (`client_secret_basic`), in the form (`client_secret_post`), or not at all (`none`).",
        },
        Key {
            name: "client_metadata_url",
            aliases: &[],
            kind: Kind::Url,
            default: "none",
            meaning: "Where the client's metadata document stands (`https`), for authorization servers that take one.",
        },
    ],
};

pub(super) fn read(section: &Section<'_>) -> OAuth {
    let client_id = section.text("client_id").map(str::to_owned);
    let client_secret = super::executor::credential(section, "client_secret_file", "client_secret_env");
    let client_credentials = section.boolean("client_credentials").unwrap_or(false);
    if client_credentials
        && (client_id.is_none() || client_secret.is_none())
        && !section.reader.found_problems()
    {
        section.refuse_section(
            "client_credentials needs a client_id and its secret",
            "give client_id, and client_secret_env or client_secret_file",
        );
    }
    if client_secret.is_some() && client_id.is_none() {
        section.refuse_section("there is a secret and no client_id", "give the client_id that it belongs to");
    }
    let scopes = section.texts("scopes").unwrap_or_default();
    let scopes = scopes.iter().flat_map(|text| text.split_ascii_whitespace()).map(str::to_owned).collect();
    let redirect_port = section.integer("redirect_port").and_then(|port| u16::try_from(port).ok());
    OAuth {
        client_id,
        client_secret,
        scopes,
        redirect_port,
        client_credentials,
        token_endpoint_auth_method: section.word("token_endpoint_auth_method"),
        issuer: section.url("issuer", &["https", "http"]),
        without_resource: section.is_false("resource"),
        resource: section
            .entry("resource")
            .and_then(|entry| entry.node.as_text())
            .and_then(|_| section.url("resource", &["https", "http"])),
        client_metadata_url: section.url("client_metadata_url", &["https"]),
    }
}
