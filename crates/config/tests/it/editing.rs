//! Changes of the file.

use crate::support::variables;
use afield_config::{Change, Draft, EditError, Secret, edit};
use proptest::prelude::*;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use tempfile::TempDir;

const COMMENTED: &str = r#"# mine
[executors.lab] # over there
url    =    "ws://127.0.0.1:1"

# the documents
[mcp_servers.docs]
url = "http://docs/"   # as seen from the lab
environment = "lab"

[gateway]
# nothing
"#;

fn server(name: &str) -> Change {
    Change::AddServer { draft: Draft::new(name).with_text("url", "http://new/mcp"), replace: false }
}

fn file(text: &str) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Proves that adding and removing leave every other byte as it was, comments and odd spacing too.
#[test]
fn an_edit_keeps_comments_and_order() {
    let (_folder, path) = file(COMMENTED);
    edit(&path, &[server("new")], &variables()).unwrap();
    let added = "\n[mcp_servers.new]\nurl = \"http://new/mcp\"\n";
    assert!(text(&path).contains(added), "{}", text(&path));
    assert_eq!(text(&path).replace(added, ""), COMMENTED);
    edit(&path, &[Change::RemoveServer("new".into())], &variables()).unwrap();
    assert_eq!(text(&path), COMMENTED);
}

/// Proves that everything a draft can say is written so that it is read as the same.
#[test]
fn a_draft_is_read_as_it_was_meant() {
    let (_folder, path) = file(COMMENTED);
    let draft = Draft::new("new")
        .with_text("url", "https://h/mcp?a=\"b\"")
        .with_text("environment", "lab")
        .with_map("headers", [("X-A".to_owned(), Secret::new("a\\\"b"))])
        .with_map("headers_from_executor_env", [("Authorization".to_owned(), Secret::new("Bearer ${T}"))])
        .with_duration("tool_timeout", Some(std::time::Duration::from_millis(1500)))
        .with_boolean("enabled", false, true)
        .with_section(
            "oauth",
            Draft::new("oauth")
                .with_texts("scopes", ["a".into(), "b".into()])
                .with_integer("redirect_port", Some(8)),
        );
    let edited = edit(&path, &[Change::AddServer { draft, replace: false }], &variables()).unwrap();
    let server = &edited.config.mcp_servers["new"];
    assert_eq!(server.url.as_str(), "https://h/mcp?a=%22b%22");
    assert_eq!(server.headers.len(), 2);
    assert_eq!(server.tool_timeout.as_millis(), 1500);
    assert!(!server.enabled);
    assert_eq!(server.oauth.as_ref().unwrap().redirect_port, Some(8));
    assert!(text(&path).contains("[mcp_servers.new.oauth]"), "{}", text(&path));
}

/// Proves that replacing a section keeps its place and the comment above it.
#[test]
fn a_replaced_section_stays_where_it_was() {
    let (_folder, path) = file(COMMENTED);
    let draft = Draft::new("docs").with_text("url", "http://other/");
    edit(&path, &[Change::AddServer { draft, replace: true }], &variables()).unwrap();
    let text = text(&path);
    assert!(text.contains("# the documents\n[mcp_servers.docs]\nurl = \"http://other/\"\n"), "{text}");
    assert!(text.find("[mcp_servers.docs]") < text.find("[gateway]"), "{text}");
}

/// Proves that what makes no sense is refused and leaves the file as it was.
#[test]
fn a_refused_edit_changes_nothing() {
    let (_folder, path) = file(COMMENTED);
    let refused =
        |change: Change| edit(&path, &[server("first"), change], &variables()).unwrap_err().to_string();
    let add = |draft| Change::AddServer { draft, replace: false };
    for (change, said) in [
        (server("docs"), "already an MCP server named \"docs\""),
        (add(Draft::new("a b").with_text("url", "http://a/")), "letters a to z"),
        (add(Draft::new("a").with_text("url", "canary")), "not a URL"),
        (
            add(Draft::new("a").with_text("url", "http://a/").with_text("environment", "lba")),
            "did you mean \"lab\"",
        ),
        (Change::RemoveServer("dosc".into()), "did you mean \"docs\""),
        (Change::RemoveExecutor { name: "lab".into(), force: false }, "servers are placed at \"lab\": docs"),
        (
            Change::AddExecutor { draft: Draft::new("local").with_text("url", "ws://h"), replace: false },
            "this process",
        ),
    ] {
        let refused = refused(change);
        assert!(refused.contains(said) && !refused.contains("canary"), "{refused}");
    }
    assert_eq!(text(&path), COMMENTED);
}

/// Proves that a file which is wrong in one place can be mended in that place, and changed in others.
#[test]
fn a_wrong_section_can_be_removed() {
    let (_folder, path) = file("[mcp_servers.bad]\nulr = 1\n\n[mcp_servers.worse]\n");
    edit(&path, &[server("good")], &variables()).unwrap();
    edit(&path, &[Change::RemoveServer("bad".into()), Change::RemoveServer("worse".into())], &variables())
        .unwrap();
    assert_eq!(text(&path).trim(), "[mcp_servers.good]\nurl = \"http://new/mcp\"");
}

/// Proves that a new file is for its owner alone, in a folder that is too, and that an old one keeps its mode; that a
/// link stays a link; and that nothing is left beside the file.
#[test]
fn modes_and_links_are_kept() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/config.toml");
    assert!(edit(&path, &[server("a")], &variables()).unwrap().created);
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    edit(&link, &[server("b")], &variables()).unwrap();
    assert_eq!(mode(&path), 0o640);
    assert!(link.is_symlink() && text(&path).contains("[mcp_servers.b]"));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

/// Proves that many who add at once lose nothing.
#[test]
fn adding_at_once_loses_nothing() {
    let (_folder, path) = file("");
    std::thread::scope(|scope| {
        for i in 0..16 {
            let path = &path;
            scope.spawn(move || edit(path, &[server(&format!("s{i}"))], &variables()).unwrap());
        }
    });
    assert_eq!(text(&path).matches("[mcp_servers.").count(), 16);
}

/// Proves that another program's file is not changed as if it were ours.
#[test]
fn another_programs_file_is_not_edited() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcp.json");
    fs::write(&path, r#"{"mcpServers": {}}"#).unwrap();
    assert!(matches!(edit(&path, &[server("a")], &variables()), Err(EditError::Foreign { .. })));
}

proptest! {
    // Each writes files, and waits for the disk.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Proves that adding a server and removing it again gives back any file, byte for byte.
    #[test]
    fn adding_and_removing_gives_back_the_file(
        sections in prop::collection::vec((0..3usize, "[a-f]{1,4}", "( # [ -~]{0,8})?"), 0..5)
    ) {
        let mut text = String::new();
        let mut seen = std::collections::HashSet::new();
        for (kind, name, comment) in sections {
            let section = match kind {
                0 => format!("[executors.{name}]{comment}\nurl = 'ws://h'\n\n"),
                1 => format!("[mcp_servers.{name}]{comment}\n  url = \"http://h/\"{comment}\n"),
                _ => format!("#{comment}\n[gateway]\n"),
            };
            if seen.insert((kind, if kind == 2 { String::new() } else { name })) {
                text.push_str(&section);
            }
        }
        let (_folder, path) = file(&text);
        edit(&path, &[server("zz")], &variables()).unwrap();
        edit(&path, &[Change::RemoveServer("zz".into())], &variables()).unwrap();
        prop_assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}
