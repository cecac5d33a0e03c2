use crate::{
    Located,
    reading::{Key, Kind, Section, Table},
};
use std::{path::PathBuf, time::Duration};

/// Where an executor listens, and who may connect. What is not given is `None`, empty or `false`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serve {
    /// Where orchestrators connect.
    pub listen: Option<Located<String>>,
    /// Where `/livez` and `/readyz` are answered without saying who asks.
    pub admin: Option<Located<String>>,
    /// How long active requests may take once it is told to stop.
    pub grace: Option<Duration>,
    /// Names by which it may be addressed.
    pub allowed_hosts: Vec<String>,
    /// Authorities that origins are checked against.
    pub ca: Option<PathBuf>,
    /// The certificate of its listener.
    pub tls_certificate: Option<PathBuf>,
    /// The key of that certificate.
    pub tls_key: Option<PathBuf>,
    /// Whether something in front of it speaks TLS for it.
    pub tls_terminated_in_front: Option<bool>,
    /// From where connections begin with a header of the PROXY protocol: networks and addresses.
    pub proxy_protocol: Vec<Located<String>>,
    /// Proxies that are believed when they say for whom they ask: networks and addresses.
    pub trusted_proxies: Vec<Located<String>>,
    /// Users who may connect to its Unix socket.
    pub allowed_users: Vec<u32>,
    /// The file of a token, or of names and digests.
    pub token_file: Option<PathBuf>,
    /// Digests, each perhaps with a name.
    pub token_sha256: Vec<Located<String>>,
    /// Signed tokens.
    pub jwt: Option<Jwt>,
    /// Certificates of clients.
    pub client_certificates: Option<ClientCertificates>,
}

/// Which JSON Web Tokens are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jwt {
    /// Who must have issued them.
    pub issuer: Option<String>,
    /// For whom they must be.
    pub audience: Option<String>,
    /// The file of the secret they are signed with.
    pub secret_file: Option<PathBuf>,
    /// Keys they are signed with.
    pub public_keys: Vec<PathBuf>,
    /// A JWK set with such keys.
    pub jwks: Option<PathBuf>,
}

/// Which client certificates are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificates {
    /// Their authorities.
    pub ca: Option<PathBuf>,
    /// The file of the names that are accepted.
    pub names: Option<PathBuf>,
    /// Which of a certificate's names counts.
    pub name: Option<String>,
    /// Whether a token is enough.
    pub optional: Option<bool>,
}

pub(super) static TABLE: Table = Table {
    path: "serve",
    meaning: "Where `afield serve` listens, and who may connect. Each key has a flag and a variable of the same meaning (`afield serve --help`).",
    keys: &[
        Key::new(
            "listen",
            Kind::Text,
            "`\"ws://127.0.0.1:7411\"`",
            "`ws://ADDRESS:PORT`, `wss://ADDRESS:PORT`, `unix:PATH`, or `stdio`.",
        ),
        Key::new(
            "admin",
            Kind::Text,
            "none",
            "Where `/livez` and `/readyz` are answered too, for load balancers that have neither certificate nor token: `ADDRESS:PORT` of loopback, or `unix:PATH`.",
        ),
        Key::new(
            "grace",
            Kind::Duration,
            "`\"10s\"`",
            "How long active requests may take to end once it is told to stop.",
        ),
        Key::new(
            "allowed_hosts",
            Kind::Texts,
            "none",
            "Names by which orchestrators may reach it, besides IP addresses and `localhost`.",
        ),
        Key::new("ca", Kind::Path, "the platform's", "Authorities that origins are checked against (PEM)."),
        Key::new(
            "tls_certificate",
            Kind::Path,
            "no TLS",
            "The listener's certificate, and what leads from it to its authority (PEM). Needs `tls_key`.",
        ),
        Key::new(
            "tls_key",
            Kind::Path,
            "no TLS",
            "The key of `tls_certificate` (PEM, without a passphrase).",
        ),
        Key::new(
            "tls_terminated_in_front",
            Kind::Boolean,
            "`false`",
            "Something in front speaks TLS for it, so that it may be reached from other machines without TLS of its own.",
        ),
        Key::new(
            "proxy_protocol",
            Kind::TextOrTexts,
            "none",
            "Networks and addresses from which each connection begins with a header of the PROXY protocol, version 1 or 2, that says for whom it is.",
        ),
        Key::new(
            "trusted_proxies",
            Kind::TextOrTexts,
            "none",
            "Networks and addresses of proxies that are believed when they say, in `X-Forwarded-For` or `Forwarded`, for whom they ask.",
        ),
        Key::new(
            "allowed_users",
            Kind::Integers(0, u32::MAX as i64),
            "its own user",
            "On a Unix socket: numbers of users whose processes may connect too.",
        ),
        Key::new(
            "token_file",
            Kind::Path,
            "no token",
            "A file that holds a token, or a line `NAME SHA256` for each of several. While there is none, `AFIELD_TOKEN` may hold the token.",
        ),
        Key::new("token_sha256", Kind::TextOrTexts, "none", "SHA-256 digests of tokens: `\"NAME=HEX\"`."),
        Key::new("jwt", Kind::Table, "none", "See below."),
        Key::new("client_certificates", Kind::Table, "none", "See below."),
    ],
};

pub(super) static JWT: Table = Table {
    path: "serve.jwt",
    meaning: "JSON Web Tokens that are accepted. `issuer`, `audience` and a key are needed.",
    keys: &[
        Key::new("issuer", Kind::Text, "needed", "Who must have issued them: their `iss`."),
        Key::new("audience", Kind::Text, "needed", "For whom they must be: one of their `aud`."),
        Key::new("secret_file", Kind::Path, "none", "A secret of 32 bytes or more (HS256)."),
        Key::new(
            "public_keys",
            Kind::TextOrTexts,
            "none",
            "Files of keys: Ed25519 (EdDSA) or RSA (RS256), in PEM.",
        ),
        Key::new("jwks", Kind::Path, "none", "A JWK set."),
    ],
};

pub(super) static CLIENT_CERTIFICATES: Table = Table {
    path: "serve.client_certificates",
    meaning: "Client certificates that are demanded. Where tokens are accepted too, both are needed.",
    keys: &[
        Key::new("ca", Kind::Path, "needed", "The authorities that must have signed them (PEM)."),
        Key::new("names", Kind::Path, "any name", "A file of the names that are accepted, one a line."),
        Key::new(
            "name",
            Kind::Text,
            "`\"first\"`",
            "Which of a certificate's names counts: `\"uri\"`, `\"dns\"`, `\"email\"`, `\"cn\"`, or the first there is of these.",
        ),
        Key::new("optional", Kind::Boolean, "`false`", "A token is enough, too."),
    ],
};

pub(super) fn read(section: &Section<'_>) -> Serve {
    let pair = [section.entry("tls_certificate"), section.entry("tls_key")];
    if let [Some(alone), None] | [None, Some(alone)] = pair {
        section.refuse(alone, "a certificate and its key go together", "give tls_certificate and tls_key");
    }
    let token_sha256 = section.located_texts("token_sha256");
    for text in token_sha256.iter().filter(|text| !is_digest(text)) {
        let problem = text.problem(
            "this is no SHA-256 digest of a token",
            "write \"NAME=HEX\" as `afield token new` prints name and digest",
        );
        section.reader.note(problem);
    }
    Serve {
        listen: section.located_text("listen"),
        admin: section.located_text("admin"),
        grace: section.duration("grace", true),
        allowed_hosts: super::super::host_names::read(section, "allowed_hosts"),
        ca: section.path_value("ca"),
        tls_certificate: section.path_value("tls_certificate"),
        tls_key: section.path_value("tls_key"),
        tls_terminated_in_front: section.boolean("tls_terminated_in_front"),
        proxy_protocol: section.located_texts("proxy_protocol"),
        trusted_proxies: section.located_texts("trusted_proxies"),
        allowed_users: section
            .integers("allowed_users")
            .into_iter()
            .filter_map(|user| user.try_into().ok())
            .collect(),
        token_file: section.path_value("token_file"),
        token_sha256,
        jwt: section.section("jwt", &JWT).map(|section| jwt(&section)),
        client_certificates: section
            .section("client_certificates", &CLIENT_CERTIFICATES)
            .map(|section| client_certificates(&section)),
    }
}

fn jwt(section: &Section<'_>) -> Jwt {
    let jwt = Jwt {
        issuer: section.text("issuer").map(str::to_owned),
        audience: section.text("audience").map(str::to_owned),
        secret_file: section.path_value("secret_file"),
        public_keys: (section.located_texts("public_keys").iter())
            .map(|file| section.reader.source.resolve(file))
            .collect(),
        jwks: section.path_value("jwks"),
    };
    if jwt.issuer.is_none() || jwt.audience.is_none() {
        section.refuse_section(
            "JSON Web Tokens need an issuer and an audience",
            "without them a token that the same issuer made for another service would be accepted here",
        );
    }
    if jwt.secret_file.is_none() && jwt.public_keys.is_empty() && jwt.jwks.is_none() {
        section.refuse_section(
            "JSON Web Tokens need a key that they are signed with",
            "give secret_file, public_keys or jwks",
        );
    }
    jwt
}

fn client_certificates(section: &Section<'_>) -> ClientCertificates {
    if section.entry("ca").is_none() {
        section.refuse_section("client certificates need their authority", "give ca");
    }
    let rules = ["first", "uri", "dns", "email", "cn"].map(|word| (word, word.to_owned()));
    ClientCertificates {
        ca: section.path_value("ca"),
        names: section.path_value("names"),
        name: section.choice("name", &rules),
        optional: section.boolean("optional"),
    }
}

fn is_digest(text: &str) -> bool {
    let (name, hex) = text.split_once('=').unwrap_or(("token", text));
    let named = !name.is_empty() && !name.contains(char::is_whitespace) && name.len() <= 256;
    named && hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}
