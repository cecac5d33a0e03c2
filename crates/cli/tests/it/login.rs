//! `afield mcp login` and `logout`.

use crate::support::{
    code,
    home::{log_in, mcp, works},
    run, serve, text,
};
use afield_testkit::oauth::Site;
use tempfile::TempDir;

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
