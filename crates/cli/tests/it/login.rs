//! `afield mcp login` and `logout`.

use crate::support::{
    afield, code,
    gateway::gateway,
    home::{log_in, mcp, works},
    run, serve, text,
};
use afield_testkit::{oauth::Site, within};
use serde_json::Value;
use std::{path::Path, process::Stdio};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

/// Proves that a person without a browser here logs in from either place, that the tokens are the user's own, and that a
/// logout has them taken back; and that nothing of them is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_and_a_logout_from_either_place() {
    let site = Site::start().await;
    let home = TempDir::new().unwrap();
    let home = home.path();
    let (_executor, url) = serve(&[]).await;
    works(home, &["executor", "add", "there", &url]).await;
    works(home, &["mcp", "add", "near", &site.url()]).await;
    works(home, &["mcp", "add", "far", &site.url(), "--environment", "there"]).await;
    for (round, name) in ["near", "far"].into_iter().enumerate() {
        let said = log_in(home, &["mcp", "login", name, "--headless", "--scopes", "read,write"]).await;
        assert!(said.contains(&format!("{name}: logged in at {} for read, write", site.base())), "{said}");
        assert!(!said.contains("canary"), "{said}");
        assert!(home.join(".local/state/afield/tokens").exists() || cfg!(target_os = "macos"));
        let said = works(home, &["mcp", "logout", name]).await;
        assert!(said.contains("taken back"), "{said}");
        assert_eq!(site.revoked(), round + 1);
        assert!(works(home, &["mcp", "logout", name]).await.contains("nobody was logged in"));
    }
}

/// Proves that a login which is refused, or makes no sense, says why and with which code.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_says_why() {
    let site = Site::start().await;
    let home = TempDir::new().unwrap();
    let home = home.path();
    works(home, &["mcp", "add", "docs", &site.url()]).await;
    works(home, &["mcp", "add", "keyed", &site.url(), "--header", "Authorization: canary"]).await;
    site.set(|site| site.metadata = serde_json::json!({"code_challenge_methods_supported": ["plain"]}));
    for (name, expected, why) in
        [("docs", 107, "PKCE"), ("keyed", 2, "Authorization"), ("nobody", 2, "nobody")]
    {
        let got = run(mcp(home, &["mcp", "login", name, "--headless"])).await;
        assert_eq!(code(&got), expected, "{}", text(&got.stderr));
        let said = text(&got.stderr);
        assert!(said.contains(why) && !said.contains("canary"), "{said}");
    }
}

/// Proves that a scope which is missing is named by every command, that the command they hint at can be pasted, and that
/// this login brings it, whether or not the server says which it is (cases 173 and 199).
#[tokio::test(flavor = "multi_thread")]
async fn missing_scope_comes_with_the_login_that_is_hinted_at() {
    for names_scope in [true, false] {
        let site = Site::start().await;
        let home = TempDir::new().unwrap();
        let home = home.path();
        works(home, &["mcp", "add", "my.docs", &site.url()]).await;
        log_in(home, &["mcp", "login", "my.docs", "--headless"]).await;
        site.set(|site| {
            site.wants_scope = Some("write");
            site.names_scope = names_scope;
            if !names_scope {
                // Then its metadata names all.
                site.supported = vec!["read", "write"];
            }
        });
        let got = run(mcp(home, &["mcp", "call", "my.docs", "tool"])).await;
        let said = text(&got.stderr);
        assert_eq!(code(&got), 107, "{said}");
        assert!(said.contains("hint: afield mcp login my.docs\n"), "{said}");
        assert_eq!(said.contains("(write)"), names_scope, "{said}");
        let said = connected(home, "my.docs").await;
        let failure = &said["error"]["data"]["afield"];
        assert_eq!(failure["hint"], "afield mcp login my.docs", "{said}");
        assert_eq!(said["error"]["message"].as_str().unwrap().contains("(write)"), names_scope, "{said}");
        let said = log_in(home, &["mcp", "login", "my.docs", "--headless"]).await;
        assert!(said.contains("read") && said.contains("write"), "{said}");
        let said = connected(home, "my.docs").await;
        assert!(said["result"].is_object(), "{said}");
    }
}

/// What `mcp connect` answers a request with.
async fn connected(home: &Path, name: &str) -> Value {
    let mut command = mcp(home, &["mcp", "connect", name]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n").await.unwrap();
    drop(input);
    let got = within("the relay's end", child.wait_with_output()).await.unwrap();
    serde_json::from_slice(&got.stdout).unwrap()
}

/// Proves that a renewal which fails executes nothing and says so, and puts it down to whom it concerns: an authorization
/// server that is away, or a client's secret that is wrong; and that the server is not even asked (case 196).
#[tokio::test(flavor = "multi_thread")]
async fn failed_renewal_is_not_executed_and_blames_whom_it_concerns() {
    let site = Site::start().await;
    let home = TempDir::new().unwrap();
    let home = home.path();
    let secret = home.join("secret");
    std::fs::write(&secret, "canary-secret-by-hand").unwrap();
    let configuration = format!(
        "[mcp_servers.docs]\nurl = {:?}\n[mcp_servers.docs.oauth]\nclient_id = \"by-hand\"\nclient_secret_file = {:?}\n",
        site.url(),
        secret.display().to_string()
    );
    let file = home.join("afield.toml");
    std::fs::write(&file, configuration).unwrap();
    let file = file.to_str().unwrap();
    site.set(|site| site.first_lasts = 0);
    log_in(home, &["mcp", "login", "docs", "--headless", "--config", file]).await;
    let asked = || site.authorizations().len();
    let before = asked();
    let failing = async |expected: &[&str]| {
        let got = run(mcp(home, &["mcp", "call", "docs", "tool", "--config", file])).await;
        let said = text(&got.stderr);
        assert_eq!(code(&got), 107, "{said}");
        for words in expected.iter().chain(&["not executed, a retry is safe"]) {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(!said.contains("canary") && !said.contains("WARN"), "{said}");
        assert_eq!(asked(), before, "{said}");
    };
    site.set(|site| site.refuses = Some((503, "temporarily_unavailable")));
    failing(&["temporarily_unavailable", "the origin is at fault"]).await;
    std::fs::write(&secret, "wrong").unwrap();
    site.set(|site| site.refuses = None);
    failing(&[
        "invalid_client",
        "the request is at fault",
        "client_secret_file",
        "token_endpoint_auth_method",
    ])
    .await;
    std::fs::write(&secret, "canary-secret-by-hand").unwrap();
    let got = run(mcp(home, &["mcp", "call", "docs", "tool", "--config", file])).await;
    assert!(asked() > before, "{}", text(&got.stderr));
}

/// Proves that a login that was taken back, and a first login of a client with a wrong secret, have texts of their own, and
/// nothing in the log beside them (case 198).
#[tokio::test(flavor = "multi_thread")]
async fn revoked_login_and_wrong_client_secret_have_texts_of_their_own() {
    let site = Site::start().await;
    let home = TempDir::new().unwrap();
    let home = home.path();
    works(home, &["mcp", "add", "docs", &site.url()]).await;
    site.set(|site| site.first_lasts = 0);
    log_in(home, &["mcp", "login", "docs", "--headless"]).await;
    site.set(|site| site.refuses = Some((400, "invalid_grant")));
    for _ in 0..2 {
        let got = run(mcp(home, &["mcp", "call", "docs", "tool"])).await;
        let said = text(&got.stderr);
        assert_eq!(code(&got), 107, "{said}");
        assert!(said.contains("took it back") && said.contains("hint: afield mcp login docs\n"), "{said}");
        assert!(!said.contains("is needed") && !said.contains("renewed") && !said.contains("WARN"), "{said}");
    }
    let file = home.join("own.toml");
    let configuration = format!(
        "[mcp_servers.own]\nurl = {:?}\n[mcp_servers.own.oauth]\nclient_id = \"by-hand\"\nclient_secret_env = \"SECRET\"\nclient_credentials = true\n",
        site.url()
    );
    std::fs::write(&file, configuration).unwrap();
    for arguments in [vec!["mcp", "login", "own"], vec!["mcp", "call", "own", "tool"]] {
        let mut command = mcp(home, &[&arguments[..], &["--config", file.to_str().unwrap()]].concat());
        command.env("SECRET", "canary-wrong");
        let got = run(command).await;
        let said = text(&got.stderr);
        assert_eq!(code(&got), 107, "{said}");
        assert!(said.contains("invalid_client") && said.contains("client_secret_env"), "{said}");
        for word in ["renewed", "needed", "WARN", "canary"] {
            assert!(!said.contains(word), "{word}: {said}");
        }
    }
}

/// Proves that a logout whose executor, or whose authorization server, is away forgets the tokens all the same, says what
/// was not taken back, and has an exit code of its own (case 197).
#[tokio::test(flavor = "multi_thread")]
async fn logout_forgets_whoever_is_away() {
    let site = Site::start().await;
    let home = TempDir::new().unwrap();
    let home = home.path();
    let (executor, url) = serve(&[]).await;
    works(home, &["executor", "add", "there", &url]).await;
    works(home, &["mcp", "add", "far", &site.url(), "--environment", "there"]).await;
    works(home, &["mcp", "add", "near", &site.url()]).await;
    log_in(home, &["mcp", "login", "far", "--headless"]).await;
    site.set(|site| site.metadata = serde_json::json!({"revocation_endpoint": "http://127.0.0.1:9/revoke"}));
    log_in(home, &["mcp", "login", "near", "--headless"]).await;
    drop(executor);
    for (name, why) in [("far", "there"), ("near", "127.0.0.1:9")] {
        let got = run(mcp(home, &["mcp", "logout", name])).await;
        let said = text(&got.stderr);
        assert_eq!(code(&got), 111, "{said}");
        assert!(
            said.contains("logged out here") && said.contains("not taken back") && said.contains(why),
            "{said}"
        );
        let left = std::fs::read_dir(home.join(".local/state/afield/tokens")).map(|files| {
            files.flatten().filter(|file| file.path().extension().is_some_and(|end| end == "json")).count()
        });
        assert_eq!(left.unwrap_or(0), usize::from(name == "far"), "{name}");
    }
    assert_eq!(site.revoked(), 0);
    assert!(works(home, &["mcp", "logout", "near"]).await.contains("nobody was logged in"));
}

/// Proves that a call for which the stored token may not be used, as others can read it, says that nothing was executed, what is
/// wrong and how it is mended, from a command and through the gateway, and that the server hears of none (case 164).
#[tokio::test(flavor = "multi_thread")]
async fn case_164_refused_token_store_says_that_nothing_was_executed() {
    let site = Site::start().await;
    let home = TempDir::new().unwrap();
    let home = home.path();
    works(home, &["mcp", "add", "docs", &site.url()]).await;
    log_in(home, &["mcp", "login", "docs", "--headless"]).await;
    let store = home.join(".local/state/afield/tokens");
    std::fs::set_permissions(&store, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let before = site.authorizations().len();
    let got = run(mcp(home, &["mcp", "call", "docs", "echo", "{}"])).await;
    let said = text(&got.stderr);
    assert_ne!(code(&got), 0, "{said}");
    assert!(said.contains("is open to other users") && said.contains("chmod 700"), "{said}");
    assert!(said.contains("not executed, a retry is safe"), "{said}");
    assert!(!said.contains("may have been executed") && !said.contains("canary"), "{said}");
    let (_gateway, base, _) = gateway(home, &[], 1).await;
    let arguments =
        ["request", "-sS", "-i", "-d", "{}", "-H", "content-type: application/json", &format!("{base}/docs")];
    let said = text(&run(afield(&arguments)).await.stdout);
    assert!(said.contains("is open to other users") && said.contains("\"safe\""), "{said}");
    assert_eq!(site.authorizations().len(), before, "the server heard of it");
}
