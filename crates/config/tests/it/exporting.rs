//! Entries in the files of other programs.

use crate::support::variables;
use afield_config::{Config, Credential, Export, Gateway, Host, Scope, Variables, Via, export_into};
use std::{fs, path::Path};

fn export(host: Host, via: Via) -> Export {
    Export { host, via, gateway: Gateway::default(), program: "/bin/afield".into(), config: None }
}

/// Proves the entry that each host gets, both ways.
#[test]
fn each_host_gets_its_own_entry() {
    let text = |host, via| export(host, via).text(&["docs"]).split_whitespace().collect::<Vec<_>>().join(" ");
    let url = "\"url\": \"http://127.0.0.1:7412/docs\"";
    let command = "\"command\": \"/bin/afield\", \"args\": [\"mcp\", \"connect\", \"docs\"]";
    let in_servers = |table: &str, entry: &str| format!("{{ \"{table}\": {{ \"docs\": {{ {entry} }} }} }}");
    let http = format!("\"type\": \"http\", {url}");
    let stdio = format!("\"type\": \"stdio\", {command}");
    assert_eq!(text(Host::ClaudeDesktop, Via::Connect), in_servers("mcpServers", command));
    assert_eq!(text(Host::ClaudeCode, Via::Gateway), in_servers("mcpServers", &http));
    assert_eq!(text(Host::ClaudeCode, Via::Connect), in_servers("mcpServers", &stdio));
    assert_eq!(text(Host::Cursor, Via::Gateway), in_servers("mcpServers", url));
    assert_eq!(text(Host::VsCode, Via::Gateway), in_servers("servers", &http));
    assert_eq!(text(Host::VsCode, Via::Connect), in_servers("servers", &stdio));
    assert_eq!(text(Host::Codex, Via::Gateway), "[mcp_servers.docs] url = \"http://127.0.0.1:7412/docs\"");
    assert_eq!(
        text(Host::Codex, Via::Connect),
        "[mcp_servers.docs] command = \"/bin/afield\" args = [\"mcp\", \"connect\", \"docs\"]"
    );
}

/// Proves that each host gets the way that it can use, and that a configuration found by name is named to the program.
#[test]
fn the_default_way_fits_the_host() {
    assert_eq!(Via::default_for(Host::ClaudeDesktop), Via::Connect);
    assert_eq!(Via::default_for(Host::Codex), Via::Gateway);
    let mut export = export(Host::Cursor, Via::Connect);
    export.config = Some("/c/config.toml".into());
    assert!(export.text(&["docs"]).contains("\"--config\", \"/c/config.toml\""));
}

/// Proves that a gateway's token is named as each host names variables, and never written out.
#[test]
fn a_gateways_token_stays_a_variable() {
    let with = |host, token| {
        let mut export = export(host, Via::Gateway);
        export.gateway.token = Some(token);
        export
    };
    let variable = || Credential::Variable("GATE".into());
    assert!(
        with(Host::ClaudeCode, variable()).text(&["a"]).contains("\"Afield-Gateway-Token\": \"${GATE}\"")
    );
    assert!(
        with(Host::Cursor, variable()).text(&["a"]).contains("\"Afield-Gateway-Token\": \"${env:GATE}\"")
    );
    assert!(
        with(Host::Codex, variable())
            .text(&["a"])
            .contains("env_http_headers = { Afield-Gateway-Token = \"GATE\" }")
    );
    assert!(
        with(Host::Codex, Credential::File("/t".into())).advice().unwrap().contains("Afield-Gateway-Token")
    );
}

/// Proves that a host's file keeps everything else, comments and order too, and that a copy of it as it was is kept.
#[test]
fn a_hosts_file_keeps_everything_else() {
    let before = "\u{feff}{\n\t// mine\n\t\"other\": [1, 2,],\n\t\"servers\": {\n\t\t\"docs\": {\"url\": \"http://old/\"}, // old\n\t\t\"keep\": {\"command\": \"x\"},\n\t},\n}\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcp.json");
    fs::write(&path, before).unwrap();
    let export = export(Host::VsCode, Via::Gateway);
    let written = export_into(&path, &export, &["docs", "new"]).unwrap();
    let after = fs::read_to_string(&path).unwrap();
    for kept in ["\u{feff}{", "// mine", "\"other\": [1, 2,]", "// old", "\"keep\": {\"command\": \"x\"}"] {
        assert!(after.contains(kept), "{kept} in {after}");
    }
    assert!(
        after.contains("7412/docs") && after.contains("7412/new") && !after.contains("http://old/"),
        "{after}"
    );
    assert_eq!(fs::read_to_string(written.backup.unwrap()).unwrap(), before);
    let again = export_into(&path, &export, &["docs", "new"]).unwrap();
    assert!(!again.changed && again.backup.is_none(), "nothing to do");
    let read = Config::of_text(&path, &after, &variables()).unwrap();
    assert_eq!(read.mcp_servers.len(), 2);
}

/// Proves the same for Codex's TOML, and that a file which is not understood stays as it was.
#[test]
fn codex_keeps_its_comments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, "model = \"x\" # mine\n\n[mcp_servers.keep]\ncommand = \"y\"\n").unwrap();
    export_into(&path, &export(Host::Codex, Via::Gateway), &["docs"]).unwrap();
    let after = fs::read_to_string(&path).unwrap();
    assert!(
        after.starts_with(
            "model = \"x\" # mine\n\n[mcp_servers.keep]\ncommand = \"y\"\n\n[mcp_servers.docs]\n"
        ),
        "{after}"
    );
    for broken in ["[mcp_servers", "mcp_servers = 1"] {
        fs::write(&path, broken).unwrap();
        assert!(export_into(&path, &export(Host::Codex, Via::Gateway), &["docs"]).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), broken);
    }
}

/// Proves where each host's files are.
#[test]
#[cfg(target_os = "linux")]
fn hosts_files_are_where_they_keep_them() {
    let file = |host: Host, scope, variables: &Variables| {
        host.file(scope, Path::new("/p"), variables).map(|path| path.display().to_string())
    };
    let home = variables();
    for (host, user, project) in [
        (Host::ClaudeDesktop, "/h/me/.config/Claude/claude_desktop_config.json", None),
        (Host::ClaudeCode, "/h/me/.claude.json", Some("/p/.mcp.json")),
        (Host::Cursor, "/h/me/.cursor/mcp.json", Some("/p/.cursor/mcp.json")),
        (Host::VsCode, "/h/me/.config/Code/User/mcp.json", Some("/p/.vscode/mcp.json")),
        (Host::Codex, "/h/me/.codex/config.toml", Some("/p/.codex/config.toml")),
    ] {
        assert_eq!(file(host, Scope::User, &home).as_deref(), Some(user));
        assert_eq!(file(host, Scope::Project, &home).as_deref(), project);
    }
    let elsewhere = Variables::of([("CODEX_HOME", "/x"), ("CLAUDE_CONFIG_DIR", "/y")]);
    assert_eq!(file(Host::Codex, Scope::User, &elsewhere).as_deref(), Some("/x/config.toml"));
    assert_eq!(file(Host::ClaudeCode, Scope::User, &elsewhere).as_deref(), Some("/y/.claude.json"));
}
