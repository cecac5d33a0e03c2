//! `afield config`, `afield executor` and `afield mcp` where they see to the configuration.

use crate::support::{afield, code, run, text};
use std::{fs, path::Path, process::Output};
use tempfile::TempDir;

/// A user with a home folder, in which commands run.
struct User(TempDir);

impl User {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = afield(arguments);
        command.env("HOME", self.0.path()).current_dir(self.0.path());
        run(command).await
    }

    /// Runs what has to work, and answers with standard output.
    async fn works(&self, arguments: &[&str]) -> String {
        let got = self.run(arguments).await;
        assert_eq!(code(&got), 0, "{arguments:?}: {}", text(&got.stderr));
        text(&got.stdout)
    }

    /// Runs what has to fail with this code, and answers with standard error.
    async fn fails(&self, expected: i32, arguments: &[&str]) -> String {
        let got = self.run(arguments).await;
        assert_eq!(code(&got), expected, "{arguments:?}: {}", text(&got.stderr));
        text(&got.stderr)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

const CONFIG: &str = ".config/afield/config.toml";

/// Proves that executors and servers that are added are listed, checked and removed, in the user's own file.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_is_listed_and_removed() {
    let user = User::new();
    let path = user.works(&["config", "path"]).await;
    assert_eq!(Path::new(path.trim_end()), user.path(CONFIG));
    user.works(&["executor", "add", "lab", "wss://lab:7411", "--token-file", "lab.token"]).await;
    user.works(&["executor", "add", "box", "--", "ssh", "box", "afield", "serve", "--listen", "stdio"]).await;
    user.works(&[
        "mcp",
        "add",
        "docs",
        "http://docs/mcp?k=canary",
        "-e",
        "lab",
        "-H",
        "X-Key: canary",
        "--timeout",
        "90s",
    ])
    .await;
    let token = user.path("lab.token");
    assert!(
        user.read(CONFIG).contains(&format!("token_file = \"{}\"", token.display())),
        "it is found from anywhere"
    );
    let listed = user.works(&["mcp", "list"]).await;
    assert_eq!(
        listed,
        "NAME  ENVIRONMENT  URL              HEADERS  STATE\ndocs  lab          http://docs/mcp  X-Key    enabled\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&user.works(&["mcp", "list", "--json"]).await).unwrap();
    assert_eq!(json["servers"][0]["environment"], "lab");
    assert_eq!(json["servers"][0]["toolTimeoutMs"], 90_000);
    assert!(!json.to_string().contains("canary"), "{json}");
    let executors = user.works(&["executor", "list"]).await;
    assert!(executors.contains("lab   wss://lab:7411/") && executors.contains("docs"), "{executors}");
    assert!(user.works(&["config", "check"]).await.contains("2 executors, 1 MCP servers"));
    user.fails(2, &["executor", "remove", "lab"]).await;
    user.works(&["mcp", "remove", "docs"]).await;
    user.works(&["executor", "remove", "lab"]).await;
    assert!(!user.read(CONFIG).contains("lab"));
}

/// Proves that what makes no sense is refused as usage, says what to do, repeats no secret and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_and_changes_nothing() {
    let user = User::new();
    user.works(&["executor", "add", "lab", "ws://127.0.0.1:1"]).await;
    user.works(&["mcp", "add", "docs", "http://docs/"]).await;
    let before = user.read(CONFIG);
    for (arguments, said) in [
        (&["add", "docs", "http://other/"][..], "--replace"),
        (&["add", "a", "canary"], "mcp_servers.a.url: this is not a URL"),
        (&["add", "a", "http://a/", "-e", "lba"], "did you mean \"lab\"?"),
        (&["add", "a", "http://a/", "--header", "canary"], "--header wants NAME: VALUE"),
        (&["add", "a", "http://a/", "--bearer-env", "canary-"], "not the token"),
        (&["add", "a", "http://a/", "--executor-header-env", "A=B"], "the environment is local"),
        (&["add", "a b", "http://a/"], "letters a to z"),
        (&["remove", "dosc"], "did you mean \"docs\"?"),
        (&["export", "claude-desktop", "--via", "gateway"], "takes commands"),
        (&["export", "cursor", "dosc"], "did you mean \"docs\"?"),
        (&["import", "--all", "--environment", "lba"], "did you mean \"lab\"?"),
    ] {
        let told = user.fails(2, &[&["mcp"], arguments].concat()).await;
        assert!(told.contains(said) && !told.contains("canary"), "{arguments:?}: {told}");
    }
    assert_eq!(user.read(CONFIG), before);
}

/// Proves that every error of a file is told with its place and the exit code for it, and a file that was named has to
/// be there.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_tells_every_error() {
    let user = User::new();
    user.write("bad.toml", "[mcp_servers.a]\nulr = \"canary\"\n[gatewya]\n");
    let told = user.fails(78, &["config", "check", "bad.toml"]).await;
    assert!(
        told.contains("bad.toml:2:1: mcp_servers.a.ulr: this key is not known; did you mean `url`?"),
        "{told}"
    );
    assert!(
        told.contains("bad.toml:3:2: gatewya") && told.contains("3 errors") && !told.contains("canary"),
        "{told}"
    );
    user.fails(78, &["mcp", "list", "--config", "bad.toml"]).await;
    user.fails(26, &["mcp", "list", "--config", "none.toml"]).await;
    user.write(
        "lost.toml",
        "[mcp_servers.a]\nurl = \"http://a/\"\nenvironment = \"lab\"\n[mcp_servers.b]\nurl = \"http://b/\"\n",
    );
    let listed = user.works(&["mcp", "--config", "lost.toml", "list"]).await;
    assert!(
        listed.contains("there is no executor named \"lab\"") && listed.contains("b     local"),
        "{listed}"
    );
    user.fails(78, &["config", "check", "lost.toml"]).await;
}

/// Proves that servers of other programs are listed, copied and placed, and that theirs are then reached through here.
#[tokio::test(flavor = "multi_thread")]
async fn servers_are_imported_and_exported() {
    let user = User::new();
    user.works(&["executor", "add", "lab", "ws://127.0.0.1:1"]).await;
    let cursor = r#"{"mcpServers": {"docs": {"url": "http://docs/mcp", "headers": {"Authorization": "Bearer ${env:T}"}},
        "files": {"command": "npx"}}, "other": 1}"#;
    user.write(".cursor/mcp.json", cursor);
    let listed = user.works(&["mcp", "import"]).await;
    assert!(
        listed.contains("docs") && listed.contains("no\n") && listed.contains("program that is started"),
        "{listed}"
    );
    user.works(&["mcp", "import", "cursor", "docs", "--dry-run"]).await;
    assert!(!user.read(CONFIG).contains("docs"), "nothing is copied unasked");
    user.works(&["mcp", "import", "--all", "--environment", "lab"]).await;
    assert!(user.read(CONFIG).contains("bearer_token_env_var = \"T\""));
    let listed = user.works(&["mcp", "list"]).await;
    assert!(listed.contains("docs  lab"), "{listed}");
    assert!(user.works(&["mcp", "list", "--config", ".cursor/mcp.json"]).await.contains("docs   local"));
    user.works(&["mcp", "export", "cursor", "--write"]).await;
    let written: serde_json::Value = serde_json::from_str(&user.read(".cursor/mcp.json")).unwrap();
    assert_eq!(written["mcpServers"]["docs"], serde_json::json!({ "url": "http://127.0.0.1:7412/docs" }));
    assert_eq!((&written["other"], &written["mcpServers"]["files"]["command"]), (&1.into(), &"npx".into()));
    assert_eq!(user.read(".cursor/mcp.json.afield-backup-1"), cursor);
    let printed: serde_json::Value =
        serde_json::from_str(&user.works(&["mcp", "export", "claude-desktop"]).await).unwrap();
    assert_eq!(printed["mcpServers"]["docs"]["args"], serde_json::json!(["mcp", "connect", "docs"]));
}
