//! Rules as an operator writes them: what can never apply is refused, and what `policy check` says is what happens.

use crate::support::{afield, code, run, text};
use afield_testkit::Origin;
use tempfile::TempDir;

fn configured(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// Proves that no rule that can never apply passes `config check`, and that the error stands at its place and says how to
/// write it (case 182).
#[tokio::test]
async fn case_182_a_rule_that_can_never_apply_fails_the_check() {
    let rule = |line: &str| format!("[[policy.rules]]\naction = \"deny\"\n{line}\n");
    let allow = |line: &str| format!("[[policy.rules]]\naction = \"allow\"\n{line}\n");
    let secret = "[secrets.key]\nenv = \"KEY\"\nhosts = \"api.test\"\nprincipals = \"ci\"\n";
    let attach =
        |line: &str| format!("{secret}[[attach]]\nsecret = \"key\"\nheader = \"Authorization\"\n{line}\n");
    let upstream =
        |name: &str, hosts: &str| format!("[[upstreams]]\nname = \"{name}\"\nhosts = \"{hosts}\"\n");
    for (written, said) in [
        (
            rule("hosts = [\"ok.test\", \".example\"]"),
            "hosts: `.example` is not a host for a rule: write `*.example`",
        ),
        (rule("hosts = \"ht!tp\""), "hosts: `ht!tp` is not a host for a rule: invalid character"),
        (rule("hosts = \"name:443\""), "write `name`, and put 443 into ports"),
        (rule("hosts = \"https://name/v1\""), "write `name`, and put \"https\" into scheme"),
        (rule("hosts = \"*\""), "leave hosts out to mean every host"),
        (rule("hosts = \"a.test\"\nmethods = \"GE T\""), "methods: `GE T` is not a method for a rule"),
        (
            rule("hosts = \"a.test\"\nmethods = [\"get\", \"trace\"]"),
            "no request of this method is ever made",
        ),
        (
            rule("hosts = \"localhost\"\nnetworks = \"10.0.0.0/8\""),
            "this rule can never apply: `localhost` is loopback",
        ),
        (allow("networks = \"169.254.169.254\""), "opens for one port alone: write ports = 80"),
        (allow("networks = [\"10.0.0.0/8\", \"0.0.0.0/8\"]"), "0.0.0.0/8 and :: are always denied"),
        (allow("hosts = \"metadata.google.internal\""), "opens for one port alone: write ports = 80"),
        (secret.replace("api.test", "https://api.test"), "write `api.test:443`, without the scheme"),
        (secret.replace("\"api.test\"", "\".api.test\""), "write `*.api.test`"),
        (attach("hosts = \"other.test\""), "attach[0].hosts: secret `key` may not go to `other.test`"),
        (attach("principals = \"ops\""), "attach[0].principals: secret `key` is not for `ops`"),
        (attach("methods = [\"GET\", \"G T\"]"), "attach[0].methods: secret `key`: `G T` is not a method"),
        (
            attach("").replace("Authorization", "X-Key"),
            "attach[0].header: secret `key` may not be in `x-key`",
        ),
        (
            upstream("a", "*.test") + &upstream("b", "api.test:1"),
            "upstreams[1].name: upstream `b` never applies: `a`",
        ),
        (upstream("a", "https://api.test"), "write `api.test:443`, without the scheme"),
        (
            "[serve]\nallowed_hosts = [\"https://a.test:1/\"]\n".to_owned(),
            "no `Host` is ever this; write \"a.test\"",
        ),
        (
            "[gateway]\nallowed_hosts = [\"a.test:80\"]\n".to_owned(),
            "no `Host` is ever this; write \"a.test\"",
        ),
    ] {
        let (_folder, path) = configured(&written);
        let got = run(afield(&["config", "check", &path])).await;
        let stderr = text(&got.stderr);
        assert_eq!(code(&got), 78, "{written}: {stderr}");
        assert!(stderr.contains(said), "{written}: {stderr}");
    }
    let sound = rule("hosts = [\"*.example\", \"Name\"]\nports = 443\nmethods = [\"get\"]")
        + &allow("networks = \"169.254.169.254\"\nports = 80")
        + &attach("hosts = \"api.test:8443\"\nprincipals = \"ci\"\nmethods = \"get\"")
        + &upstream("a", "api.test:1")
        + &upstream("b", "*.test")
        + "[serve]\nallowed_hosts = [\"a.test.\", \"B\"]\n";
    let (_folder, path) = configured(&sound);
    let got = run(afield(&["config", "check", &path])).await;
    assert_eq!(code(&got), 0, "{}", text(&got.stderr));
}

/// Proves that `policy check --host` says of a `Host` of the caller's own what becomes of the request (case 155).
#[tokio::test(flavor = "multi_thread")]
async fn case_155_policy_check_says_what_becomes_of_a_host() {
    let origin = Origin::start().await;
    let place = format!("127.0.0.1:{}", origin.port());
    let (_folder, path) = configured(
        "[[policy.rules]]\nname = \"no admin\"\naction = \"deny\"\nhosts = \"admin.test\"\n\
         [[policy.rules]]\naction = \"deny\"\nhosts = \"reads.test\"\nmethods = \"delete\"\n\
         [secrets.key]\nenv = \"KEY\"\nhosts = \"127.0.0.1\"\nallow_plain_http = true\n\
         [[attach]]\nsecret = \"key\"\nheader = \"Authorization\"\nmethods = \"put\"\n",
    );
    let mut serve = afield(&["serve", "--listen", "ws://127.0.0.1:0", "--config", &path]);
    serve.env("KEY", "canary");
    let executor = afield_testkit::Process::start(serve).unwrap();
    let ws = executor.stdout().wait_line("ws://").await;
    for (method, host, exit, line) in [
        ("GET", "Admin.test:8080", 101, "as Host admin.test:8080: denied by no admin"),
        ("GET", "metadata.goog", 101, "as Host metadata.goog: denied by metadata"),
        ("GET", "reads.test", 0, "as Host reads.test: allowed by host"),
        ("dElEtE", "reads.test", 101, "as Host reads.test: denied by deny host reads.test methods DELETE"),
        ("PUT", "open.test", 101, "as Host open.test: denied by host/secret"),
        ("PUT", place.as_str(), 0, "with the secret key in authorization"),
    ] {
        let url = origin.url("/echo");
        let got =
            run(afield(&["policy", "check", &url, "-X", method, "--host", host, "--config", &path])).await;
        let said = text(&got.stdout);
        assert_eq!(code(&got), exit, "{method} {host}: {said}{}", text(&got.stderr));
        assert!(said.lines().any(|found| found.trim() == line), "{method} {host}: {said}");
        let header = format!("Host: {host}");
        let sent =
            run(afield(&["request", "-s", "-X", method, "-H", &header, "--executor", &ws, &url])).await;
        assert_eq!(code(&sent) == 0, exit == 0, "{method} {host}: {}", text(&sent.stderr));
    }
    let got = run(afield(&["policy", "check", &origin.url("/"), "--host", "a b", "--config", &path])).await;
    assert_ne!(code(&got), 0);
    let as_json = ["policy", "check", &origin.url("/"), "--host", "admin.test", "--json", "--config", &path];
    let got = run(afield(&as_json)).await;
    let said: serde_json::Value = serde_json::from_slice(&got.stdout).unwrap();
    assert_eq!(said["hostField"]["rule"], "no admin");
    assert_eq!((&said["allowed"], &said["rule"]), (&false.into(), &"no admin".into()));
}
