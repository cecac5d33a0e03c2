//! What a file means.

use crate::support::{read, variables};
use afield_config::{Credential, Dialect, HeaderSource, Placement, Reach, Variables};
use std::time::Duration;

const WHOLE: &str = r#"
[executors.lab]
url = "wss://lab.internal:7411"
token_file = "lab.token"
ca = "~/ca.pem"
client_certificate = "/etc/me.pem"
client_key = "/etc/me.key"
pinned_certificate_sha256 = "AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA"
proxy = "http://proxy.internal:3128"
dialect = "base"
connect_timeout = 5

[executors.box]
command = ["ssh", "box", "afield", "serve", "--listen", "stdio"]
env = { SSH_AUTH_SOCK = "canary" }

[executors.near]
url = "unix:run/afield.sock"
token_env = "NEAR"

[mcp_servers.docs]
url = "http://docs.internal/mcp?key=canary"
environment = "lab"
headers = { X-Literal = "canary" }
headers_from_env = { X-Here = "HERE", X-Mixed = "v ${HERE}" }
headers_from_executor_secret = { X-Secret = "docs-key" }
headers_from_executor_env = { Authorization = "Bearer ${TOKEN}" }
startup_timeout = "5s"
tool_timeout_sec = 90
idle_timeout = "2m"
enabled = false
required = true

[mcp_servers.docs.oauth]
client_id = "me"
client_secret_env = "SECRET"
scopes = "read write"
redirect_port = 4711

[mcp_servers.plain]
url = "https://plain.example/mcp"
bearer_token_env_var = "HERE"

[gateway]
listen = "localhost:9000"
allowed_hosts = ["gateway.internal"]
token_env = "GATE"
executor = "box"
routes = { wiki = "http://wiki.internal/mcp" }
"#;

/// Proves what every key means.
#[test]
fn every_key_means_what_it_says() {
    let config = read(WHOLE).unwrap();
    let lab = &config.executors["lab"];
    assert!(matches!(&lab.reach, Reach::Url(url) if url.as_str() == "wss://lab.internal:7411/"));
    assert_eq!(lab.token, Some(Credential::File("/c/lab.token".into())));
    assert_eq!(lab.ca.as_deref(), Some("/h/me/ca.pem".as_ref()));
    assert_eq!(lab.identity.as_ref().unwrap().key, std::path::Path::new("/etc/me.key"));
    assert_eq!(lab.pinned_certificates, ["AA:".repeat(32).trim_end_matches(':')]);
    assert_eq!(lab.proxy.as_ref().unwrap().host(), "proxy.internal");
    assert_eq!((lab.dialect, lab.connect_timeout), (Dialect::Base, Duration::from_secs(5)));
    assert_eq!(config.executors["near"].reach, Reach::Unix("/c/run/afield.sock".into()));
    let Reach::Command(start) = &config.executors["box"].reach else { panic!("it is a command") };
    assert_eq!((start.program.as_str(), start.args.len()), ("ssh", 5));

    let docs = config.mcp_server("docs").unwrap();
    assert_eq!(docs.url.as_str(), "http://docs.internal/mcp?key=canary");
    assert_eq!(docs.placement().unwrap().name(), "lab");
    assert_eq!((docs.startup_timeout, docs.tool_timeout), (Duration::from_secs(5), Duration::from_secs(90)));
    assert_eq!(docs.idle_timeout, Some(Duration::from_secs(120)));
    assert!(!docs.enabled && docs.required);
    let oauth = docs.oauth.as_ref().unwrap();
    assert_eq!((oauth.scopes.join(","), oauth.redirect_port), ("read,write".into(), Some(4711)));

    let plain = config.mcp_server("plain").unwrap();
    assert_eq!(plain.placement(), Ok(&Placement::Local));
    assert!(plain.enabled && !plain.required && plain.sets_authorization());

    assert_eq!(config.gateway.listen.port(), 9000);
    assert_eq!(config.gateway.placement().unwrap().name(), "box");
    assert_eq!(config.gateway.routes["wiki"].host(), "wiki.internal");
}

/// Proves that headers take their values from where they are said to, that those of an executor stay unknown here even
/// if this process has a variable of that name, and that one that is not set is an error which names it.
#[test]
fn headers_come_from_where_they_are_said_to() {
    let config = read(WHOLE).unwrap();
    let docs = config.mcp_server("docs").unwrap();
    let here = Variables::of([("HERE", "here"), ("TOKEN", "this side's own")]);
    let headers = docs.resolve_headers(&here).unwrap();
    let get = |name: &str| headers.iter().find(|header| header.is(name)).unwrap();
    assert_eq!(get("x-literal").text(), Some("canary"));
    assert_eq!(get("x-here").text(), Some("here"));
    assert_eq!(get("x-mixed").text(), Some("v here"));
    assert_eq!(get("authorization").text(), Some("Bearer "));
    assert_eq!(get("authorization").env_var.as_deref(), Some("TOKEN"));
    assert_eq!(get("x-secret").secret.as_deref(), Some("docs-key"));
    assert_eq!(get("x-secret").text(), Some(""));
    let error = docs.resolve_headers(&variables()).unwrap_err();
    assert_eq!(error.to_string(), "header X-Here: the variable HERE is not set, is empty, or is no text");
    let error = docs.resolve_headers(&Variables::of([("HERE", "a\r\nb: c")])).unwrap_err();
    assert!(error.to_string().contains("control character"), "{error}");
}

/// Proves that an environment which does not exist is its server's problem alone, with its place and the nearest name,
/// and that the server is not placed here instead.
#[test]
fn an_unknown_environment_fails_its_server_alone() {
    let text = "[executors.lab]\nurl = \"ws://127.0.0.1:1\"\n\
                [mcp_servers.a]\nurl = \"http://a/\"\nenvironment = \"lba\"\n\
                [mcp_servers.b]\nurl = \"http://b/\"\nenvironment = \"lab\"\n\
                [mcp_servers.c]\nurl = \"http://c/\"\nenvironment = \"Local\"\n";
    let config = read(text).unwrap();
    let problem = config.mcp_server("a").unwrap().placement().unwrap_err();
    assert_eq!(
        problem.to_string(),
        "/c/config.toml:5:15: mcp_servers.a.environment: there is no executor named \"lba\"; did you mean \"lab\"?"
    );
    assert_eq!(config.mcp_server("b").unwrap().placement().unwrap().name(), "lab");
    assert!(config.mcp_server("c").unwrap().placement().is_err(), "`Local` is not `local`");
    assert_eq!(config.faults().count(), 2);
}

/// Proves that no value which may be a secret is shown by `Debug`.
#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", read(WHOLE).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("docs.internal"), "what is no secret is shown: {shown}");
}

/// Proves that a name which is not there is answered with the one that was meant.
#[test]
fn a_missing_name_brings_the_nearest() {
    let config = read(WHOLE).unwrap();
    let error = config.mcp_server("dosc").unwrap_err();
    assert_eq!(error.to_string(), "there is no MCP server named \"dosc\"; did you mean \"docs\"?");
    assert_eq!(config.placement("local"), Ok(Placement::Local));
    assert!(config.placement("nowhere").is_err());
}

/// Proves that a literal header says it is one, so that lists can tell where a value comes from.
#[test]
fn a_headers_source_is_told() {
    let config = read(WHOLE).unwrap();
    let docs = config.mcp_server("docs").unwrap();
    let literal = docs.headers.iter().find(|header| header.name == "X-Literal").unwrap();
    assert!(matches!(&literal.source, HeaderSource::Literal(secret) if secret.expose() == "canary"));
}
