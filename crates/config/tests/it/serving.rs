//! What the file says to `afield serve`.

use crate::support::{read, wrong};
use afield_config::{Action, AuditSink, Credential, Preset, Scheme, TlsVersion};
use afield_exchange::Limits;
use proptest::prelude::*;
use std::{path::Path, time::Duration};

const EXAMPLE: &str = r#"
[serve]
listen = "wss://0.0.0.0:7411"
grace = "30s"
token_file = "tokens"
tls_certificate = "server.pem"
tls_key = "~/server.key"
allowed_users = [1000, 1001]

[serve.jwt]
issuer = "https://issuer.test"
audience = "afield"
public_keys = "issuer.pem"

[limits]
window_bytes = "4M"
requests = 7
head = "90s"

[policy]
preset = "allow-list"

[[policy.rules]]
name = "the API"
action = "allow"
hosts = ["api.test", "*.api.test"]
ports = [443, "8000-8099"]
scheme = "https"
principals = "ci"

[policy.principals."uid:7"]
preset = "public-only"

[secrets.api-key]
env = "API_KEY"
hosts = "api.test:443"
prefix = "Bearer "

[[attach]]
secret = "api-key"
header = "Authorization"

[[upstreams]]
name = "inside"
hosts = ["*.internal"]
min_tls = "1.3"
proxy = "socks5://proxy.internal:1080"
proxy_user = "me"
proxy_password_file = "password"

[audit]
sink = "file"
path = "audit.jsonl"
rotate_bytes = "1G"

[log]
level = "debug"
format = "json"
"#;

/// Proves that every section means what it says, with files beside the configuration's.
#[test]
fn each_section_means_what_it_says() {
    let serving = read(EXAMPLE).unwrap().serving;
    assert_eq!(**serving.serve.listen.as_ref().unwrap(), "wss://0.0.0.0:7411");
    assert_eq!(serving.serve.grace, Some(Duration::from_secs(30)));
    assert_eq!(serving.serve.token_file.as_deref(), Some(Path::new("/c/tokens")));
    assert_eq!(serving.serve.tls_key.as_deref(), Some(Path::new("/h/me/server.key")));
    assert_eq!(serving.serve.allowed_users, [1000, 1001]);
    assert_eq!(serving.serve.jwt.unwrap().public_keys, [Path::new("/c/issuer.pem")]);
    let mut limits = Limits::default();
    serving.limits.apply(&mut limits);
    let changed =
        Limits { window_bytes: 4 << 20, requests: 7, head: Duration::from_secs(90), ..Limits::default() };
    assert_eq!(limits, changed);
    assert_eq!(serving.policy.preset, Preset::AllowList);
    let [rule] = &serving.policy.rules[..] else { panic!("{:?}", serving.policy.rules) };
    assert_eq!((rule.action, rule.scheme), (Action::Allow, Some(Scheme::Https)));
    assert_eq!(rule.hosts.iter().map(|host| &**host).collect::<Vec<_>>(), ["api.test", "*.api.test"]);
    assert_eq!(rule.ports, [443..=443, 8000..=8099]);
    assert_eq!((rule.hosts[1].place.line, rule.hosts[1].place.column), (26, 22));
    assert_eq!(serving.policy.principals[0].0.as_str(), "uid:7");
    assert_eq!(serving.policy.principals[0].1.preset, Preset::PublicOnly);
    assert_eq!(serving.secrets[0].source, Credential::Variable("API_KEY".into()));
    assert_eq!(serving.secrets[0].prefix.as_ref().map(|prefix| prefix.as_str()), Some("Bearer "));
    assert_eq!(&*serving.attach[0].header, "Authorization");
    assert_eq!(serving.upstreams[0].min_tls, TlsVersion::Tls13);
    let proxy = serving.upstreams[0].proxy.as_ref().unwrap();
    assert_eq!(proxy.credentials, Some(("me".into(), Credential::File("/c/password".into()))));
    assert_eq!((serving.audit.sink, serving.audit.rotate_bytes), (Some(AuditSink::File), Some(1 << 30)));
    assert_eq!((serving.log.as_deref(), serving.log_format), (Some("debug"), Some("json")));
}

/// Proves that everything that is wrong is said at once, with its place, its key and what to do.
#[test]
fn all_errors_of_an_executor_are_said_at_once() {
    let said = wrong(
        "[serve]\ntls_key = \"k\"\nlisen = \"x\"\n[limits]\nwindow_bytes = \"1K\"\n[policy]\npreset = \"open\"\n\
         [[policy.rules]]\nhosts = []\nports = 0\n[audit]\nsink = \"file\"\n[secrets.a]\nenv = \"not a name\"\n",
    );
    let lines: Vec<&str> = said.lines().collect();
    for (line, start) in lines.iter().zip([
        "/c/config.toml:2:11: serve.tls_key: a certificate and its key go together",
        "/c/config.toml:3:1: serve.lisen: this key is not known; did you mean `listen`?",
        "/c/config.toml:5:16: limits.window_bytes: this size is out of bounds",
        "/c/config.toml:7:10: policy.preset: this word is not known here",
        "/c/config.toml:8:1: policy.rules[0]: this rule does not say what it does",
        "/c/config.toml:9:9: policy.rules[0].hosts: this list is empty",
        "/c/config.toml:10:9: policy.rules[0].ports: this is no port",
        "/c/config.toml:12:8: audit.sink: the file has no name; give path",
        "/c/config.toml:13:10: secrets.a: this secret may go nowhere",
        "/c/config.toml:14:7: secrets.a.env: this is not the name of a variable",
    ]) {
        assert!(line.starts_with(start), "{line}\n{start}");
    }
    assert_eq!(lines.len(), 10, "{said}");
}

/// Proves that a password in a proxy's URL is refused, and neither repeated nor shown.
#[test]
fn case_118_a_password_in_a_proxy_url_is_refused_and_not_shown() {
    let text = "[[upstreams]]\nname = \"a\"\nhosts = \"*\"\nproxy = \"http://canary:canary@proxy\"\n";
    let said = wrong(text);
    assert!(said.contains("a name or a password stands in the URL") && !said.contains("canary"), "{said}");
}

proptest! {
    /// Proves that no change of a file at any place makes reading it panic.
    #[test]
    fn a_damaged_file_is_read_without_a_panic(cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<Option<char>>()), 1..8)) {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (at, change) in cuts {
            let at = at.index(text.len());
            match change {
                Some(letter) => text[at] = letter,
                None => drop(text.remove(at)),
            }
        }
        let _ = read(&text.into_iter().collect::<String>());
    }

    /// Proves that no value of another kind under any key makes reading panic.
    #[test]
    fn any_value_anywhere_is_read_without_a_panic(
        table in any::<prop::sample::Index>(),
        key in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![
            "1", "-1", "9223372036854775807", "0.5", "nan", "true", "\"\"", "\"x\"", "[]", "[1]", "[\"\"]", "[[]]",
            "{}", "[{}]", "{ a = {} }", "{ a = 1 }", "1979-05-27", "\"99999999999999G\"", "\"5-1\"",
        ]),
    ) {
        let tables: Vec<_> = afield_config::TABLES.iter().copied().flatten().collect();
        let table = table.get(&tables);
        let key = key.get(table.keys);
        let _ = read(&format!("[{}]\n{} = {value}\n", table.path, key.name));
    }
}
