//! The files of other programs.

use crate::support::{read, variables};
use afield_config::{Change, Config, Format, HeaderSource, Imported, Problems, Variables, edit, import};
use proptest::prelude::*;
use std::{fs, path::Path};

const CLAUDE: &str = r#"{
  "mcpServers": {
    "docs": { "type": "http", "url": "http://docs/mcp", "environment": "lab",
              "headers": { "Authorization": "Bearer ${DOCS_TOKEN}", "X-Region": "${env:REGION:-eu}" } },
    "files": { "command": "npx", "args": ["server-files"], "env": { "SECRET": "canary" } },
    "old": { "type": "sse", "url": "http://old/sse" },
    "My Server!": { "url": "http://mine/mcp", "headers": { "X-Api-Key": "canary" }, "disabled": true },
    "slip": { "url": "http://slip/mcp", "enviroment": "lab" }
  },
  "projects": { "/p": { "mcpServers": { "inner": { "url": "http://inner/mcp" } } } },
  "numStartups": 3
}"#;

const VSCODE: &str = r#"{
  // for everybody
  "inputs": [{ "id": "key", "type": "promptString", "password": true }],
  "servers": {
    "asks": { "type": "http", "url": "http://asks/mcp", "headers": { "X-Key": "${input:key}" } },
    "plain": { "type": "http", "url": "http://plain/mcp" },
  },
}"#;

const CODEX: &str = r#"
model = "x"
[mcp_servers.docs]
url = "http://docs/mcp"
bearer_token_env_var = "DOCS_TOKEN"
http_headers = { X-Literal = "${not a variable}" }
env_http_headers = { X-Env = "REGION" }
startup_timeout_sec = 20
tool_timeout_sec = 45.5
scopes = ["read"]
enabled_tools = ["a"]
[mcp_servers.files]
command = "npx"
"#;

fn with_lab() -> Config {
    read("[executors.lab]\nurl = \"ws://127.0.0.1:1\"\n").unwrap()
}

fn take(path: &str, text: &str) -> Result<Imported, Problems> {
    import(Path::new(path), text, Some(Path::new("/p")), None, &with_lab(), &variables())
}

fn said(imported: &Imported, name: &str) -> String {
    imported.skipped.iter().find(|server| server.name == name).unwrap().problems.to_string()
}

/// Proves what is taken over from a Claude or Cursor file, under which names, and why the rest is not.
#[test]
fn claude_and_cursor_files_are_read() {
    let imported = take("/h/.claude.json", CLAUDE).unwrap();
    let names: Vec<_> = imported.servers.iter().map(|server| server.draft.name()).collect();
    assert_eq!(names, ["docs", "My-Server", "inner"]);
    let docs = &imported.servers[0].draft;
    assert_eq!(docs.text("bearer_token_env_var"), Some("DOCS_TOKEN"));
    assert_eq!(docs.text("environment"), Some("lab"));
    let notes: Vec<_> = imported.servers[1].notes.iter().map(ToString::to_string).collect();
    assert!(notes.iter().any(|note| note.contains("X-Api-Key stands in the file itself")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("becomes \"My-Server\"")), "{notes:?}");
    assert!(said(&imported, "files").contains("a program that is started"));
    assert!(said(&imported, "old").contains("older HTTP+SSE transport"));
    assert!(
        said(&imported, "slip").contains("did you mean \"environment\""),
        "a slip must not place it here"
    );
    assert!(!format!("{imported:?}{notes:?}").contains("canary"));
}

/// Proves that what is imported can be written, and means the same when it is read.
#[test]
fn what_is_imported_is_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, "[executors.lab]\nurl = \"ws://127.0.0.1:1\"\n").unwrap();
    let imported = take("/h/.claude.json", CLAUDE).unwrap();
    let changes: Vec<_> = imported
        .servers
        .into_iter()
        .map(|server| Change::AddServer { draft: server.draft, replace: false })
        .collect();
    let config = edit(&path, &changes, &variables()).unwrap().config;
    let docs = &config.mcp_servers["docs"];
    assert_eq!(docs.placement().unwrap().name(), "lab");
    let here = Variables::of([("DOCS_TOKEN", "t")]);
    let headers = docs.resolve_headers(&here).unwrap();
    let get = |name: &str| headers.iter().find(|header| header.is(name)).unwrap().text();
    assert_eq!((get("authorization"), get("x-region")), (Some("Bearer t"), Some("eu")));
    assert!(!config.mcp_servers["My-Server"].enabled);
}

/// Proves that a VS Code file is read with its comments, and that what the editor would ask for is reported, not guessed.
#[test]
fn vscode_files_are_read_and_inputs_reported() {
    let imported = take("/p/.vscode/mcp.json", VSCODE).unwrap();
    assert_eq!(imported.servers.len(), 1);
    let said = said(&imported, "asks");
    assert!(
        said.contains("/p/.vscode/mcp.json:5:") && said.contains("X-Key is asked for by the editor"),
        "{said}"
    );
}

/// Proves what is taken over from a Codex file, where values stand for themselves.
#[test]
fn codex_files_are_read() {
    let config = Config::of_text(Path::new("/h/.codex/config.toml"), CODEX, &variables()).unwrap();
    assert_eq!(config.format, Format::Codex);
    let docs = &config.mcp_servers["docs"];
    assert_eq!((docs.startup_timeout.as_secs(), docs.tool_timeout.as_millis()), (20, 45_500));
    assert_eq!(docs.oauth.as_ref().unwrap().scopes, ["read"]);
    let literal = docs.headers.iter().find(|header| header.name == "X-Literal").unwrap();
    assert!(matches!(&literal.source, HeaderSource::Literal(value) if value.expose() == "${not a variable}"));
    assert_eq!(config.unusable.len(), 1);
}

/// Proves that a server which Codex reaches from somewhere else never becomes one that is reached from here by itself: it is
/// not usable before somebody says from which executor (case 174).
#[test]
fn case_174_a_remote_server_of_codex_never_becomes_local_by_itself() {
    let text = |more: &str| format!("[mcp_servers.far]\nurl = \"http://h/mcp\"\n{more}\n");
    let path = Path::new("/h/.codex/config.toml");
    let unplaced = text("environment_id = \"remote\"");
    let config = Config::of_text(path, &unplaced, &variables()).unwrap();
    assert!(config.mcp_servers.is_empty());
    assert!(
        config.unusable[0].problems.to_string().contains("--environment NAME"),
        "{}",
        config.unusable[0].problems
    );
    let imported = take("/h/.codex/config.toml", &unplaced).unwrap();
    assert_eq!((imported.servers.len(), imported.skipped.len()), (0, 1));
    let json = r#"{"mcpServers": {"far": {"url": "http://h/mcp", "environment_id": "remote"}}}"#;
    let imported = take("/h/.claude.json", json).unwrap();
    assert_eq!((imported.servers.len(), imported.skipped.len()), (0, 1));
    let placed =
        afield_config::import(path, &unplaced, None, Some("local"), &Config::default(), &variables());
    assert_eq!(placed.unwrap().servers.len(), 1);
    for fine in ["environment_id = \"local\"", "environment_id = \"remote\"\nenvironment = \"local\""] {
        let config = Config::of_text(path, &text(fine), &variables()).unwrap();
        assert_eq!(config.mcp_servers.len(), 1, "{fine}");
    }
}

/// Proves that another program's file is used as it is: executors come from our own, an environment that is not there
/// fails its server alone, and what cannot be used says why under its name.
#[test]
fn foreign_files_are_used_directly() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("config.toml");
    fs::write(&own, "[executors.lab]\nurl = \"ws://127.0.0.1:1\"\n").unwrap();
    let foreign = folder.path().join("claude.json");
    fs::write(&foreign, CLAUDE).unwrap();
    let own = Variables::of([("AFIELD_CONFIG", own.to_str().unwrap())]);
    let config = Config::load(Some(&foreign), &own).unwrap();
    assert_eq!(config.format, Format::McpServers);
    assert_eq!(config.mcp_server("docs").unwrap().placement().unwrap().name(), "lab");
    let error = config.mcp_server("files").unwrap_err().to_string();
    assert!(error.contains("claude.json:5:16") && error.contains("a program that is started"), "{error}");
    let without = Config::load(Some(&foreign), &variables()).unwrap();
    assert!(without.mcp_server("docs").unwrap().placement().is_err());
}

/// Proves that `--config` with a file that is not there is an error, and an absent file that nobody named is not.
#[test]
fn an_absent_file_is_an_error_only_if_it_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("none.toml");
    assert!(Config::load(Some(&absent), &variables()).unwrap_err().to_string().contains("none.toml"));
    let named = Variables::of([("AFIELD_CONFIG", absent.to_str().unwrap())]);
    assert!(Config::load(None, &named).is_err());
    let home = Variables::of([("HOME", folder.path().to_str().unwrap())]);
    assert_eq!(Config::load(None, &home).unwrap(), Config::default());
}

/// Proves that an entry which leads to our own gateway is not copied, which would make a circle.
#[test]
fn our_own_gateway_is_not_imported() {
    let text = "{\"mcpServers\": {\"docs\": {\"url\": \"http://127.0.0.1:7412/docs\"}}}";
    let imported = take("/h/mcp.json", text).unwrap();
    assert!(imported.servers.is_empty() && said(&imported, "docs").contains("gateway of this configuration"));
}

/// Proves that files which hold no servers are refused with what was looked for.
#[test]
fn a_file_without_servers_is_refused() {
    for text in ["{}", "[1]", "{\"a\": 1}", "// nothing"] {
        assert!(take("/h/x.json", text).unwrap_err().to_string().contains("no MCP servers"), "{text}");
    }
    assert!(take("/h/x.json", "{\"mcpServers\": ").unwrap_err().to_string().contains("this is not JSON"));
}

/// JSON of the shapes that such files have, and of others.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let key = prop::sample::select(
        &[
            "mcpServers",
            "servers",
            "mcp",
            "projects",
            "/p",
            "docs",
            "url",
            "type",
            "headers",
            "environment",
            "enviroment",
            "disabled",
            "oauth",
            "auth",
            "clientSecret",
            "command",
            "startup_timeout_ms",
            "Authorization",
            "a b",
            "",
        ][..],
    );
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        "[ -~]{0,12}".prop_map(Into::into),
        prop::sample::select(
            &["http://a/", "${A}", "Bearer ${env:A}", "${input:x}", "${", "sse", "é\u{0}"][..]
        )
        .prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    // Each writes files, and waits for the disk.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Proves that no JSON makes an importer fail otherwise than by saying so, and that what it takes over can be written.
    #[test]
    fn any_json_is_imported_or_refused(value in json()) {
        if let Ok(imported) = take("/h/mcp.json", &value.to_string()) {
            let folder = tempfile::tempdir().unwrap();
            let changes: Vec<_> = imported.servers.into_iter()
                .map(|server| Change::AddServer { draft: server.draft, replace: false }).collect();
            let path = folder.path().join("config.toml");
            fs::write(&path, "[executors.lab]\nurl = \"ws://127.0.0.1:1\"\n").unwrap();
            prop_assert!(edit(&path, &changes, &variables()).is_ok());
        }
    }

    /// Proves the same for texts that are no JSON, and for TOML.
    #[test]
    fn any_text_is_imported_or_refused(text in "[\\[\\]{}\":,/*a-z_.= \n]{0,120}") {
        let _ = take("/h/mcp.json", &text);
        let _ = take("/h/.codex/config.toml", &text);
    }
}
