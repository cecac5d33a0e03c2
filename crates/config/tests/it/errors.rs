//! What is said of a wrong file.

use crate::support::{read, wrong};
use proptest::prelude::*;

/// Proves that everything that is wrong is said at once, each with its line, column, key and what to do.
#[test]
fn all_errors_are_said_at_once() {
    let text = r#"
[executors.local]
url = "ws://127.0.0.1:1"

[executors.both]
url = "http://x"
command = ["ssh"]

[mcp_servers.docs]
ulr = "http://docs/"
enabled = "yes"
tool_timeout = "soon"

[gatewya]
"#;
    let lines: Vec<String> = wrong(text).lines().map(str::to_owned).collect();
    let expected = [
        "/c/config.toml:2:12: executors.local: `local` is this process; choose another name",
        "/c/config.toml:7:11: executors.both.command: an executor has a url or a command, and this one has both; keep one of them",
        "/c/config.toml:9:14: mcp_servers.docs: this server has no url; write url = \"https://host/mcp\"",
        "/c/config.toml:10:1: mcp_servers.docs.ulr: this key is not known; did you mean `url`?",
        "/c/config.toml:11:11: mcp_servers.docs.enabled: true or false is wanted, and this is a text; write true or false, without quotes",
        "/c/config.toml:12:16: mcp_servers.docs.tool_timeout: this is no duration; write \"30s\", \"5m\", or a number of seconds",
        "/c/config.toml:14:2: gatewya: this key is not known; did you mean `gateway`?",
    ];
    assert_eq!(lines, expected);
}

/// Proves, one by one, what else is refused.
#[test]
fn each_mistake_is_refused() {
    let server = |line: &str| {
        format!("[executors.lab]\nurl = \"ws://h\"\n[mcp_servers.a]\nurl = \"http://a/\"\n{line}\n")
    };
    let executor = |lines: &str| format!("[executors.a]\n{lines}\n");
    for (text, said) in [
        (server("headers = { \"a b\" = \"x\" }"), "this is not a header's name"),
        (server("headers = { Host = \"x\" }"), "written by the MCP transport"),
        (server("headers = { A = \"x\" }\nheaders_from_env = { a = \"X\" }"), "given twice"),
        (server("headers = { A = \"x\\ny\" }"), "a line end"),
        (server("headers = { A = 1 }"), "a table of something else"),
        (server("headers_from_env = { A = \"not a name\" }"), "neither a variable's name"),
        (server("headers_from_executor_env = { A = \"X\" }"), "the environment is local"),
        (
            server("environment = \"lab\"\nheaders_from_executor_secret = { A = \"x y\" }"),
            "not the name of a secret",
        ),
        (server("environment = \"lab\"\nheaders_from_executor_env = { A = \"${X} y\" }"), "at the end"),
        (
            server("headers = { authorization = \"x\" }\nbearer_token_env_var = \"X\""),
            "Authorization is given too",
        ),
        (server("bearer_token_env_var = \"ey.token\""), "not the name of a variable"),
        (server("http_headers = { A = \"x\" }\nheaders = { B = \"x\" }"), "means the same as `http_headers`"),
        (server("startup_timeout = 0"), "no time at all"),
        (server("environment = \"\""), "this is empty"),
        (server("command = \"npx\""), "a program that is started"),
        (server("oauth = { redirect_port = 70000 }"), "from 1 to 65535"),
        (server("oauth = { client_credentials = true }"), "needs a client_id"),
        ("[mcp_servers.\"a b\"]\nurl = \"http://a/\"".into(), "letters a to z"),
        ("[mcp_servers.a]\nurl = \"ftp://a/\"".into(), "starts with https:// or http://"),
        ("[mcp_servers.a]\nurl = \"a/mcp\"".into(), "should start with https://"),
        ("[mcp_servers.a]\nurl = \"http://a/#f\"".into(), "fragment"),
        ("mcp_servers = 1".into(), "sections by name are wanted"),
        ("[executors]\na = 1".into(), "a section is wanted"),
        (executor(""), "neither a url nor a command"),
        (executor("url = \"http://h\""), "wss:// or ws://"),
        (executor("url = \"ws://me:pw@h\""), "stands in the URL"),
        (executor("url = \"ws://h\"\nca = \"f\""), "nothing without a wss:// url"),
        (executor("url = \"ws://h\"\nargs = [\"f\"]"), "belongs to a command"),
        (executor("command = \"ssh host\""), "name of one program"),
        (executor("command = []"), "names no program"),
        (executor("command = [\"a\", \"b\"]\nargs = [\"c\"]"), "in one place"),
        (executor("command = [\"a\"]\ntoken_env = \"X\""), "nothing without a url"),
        (executor("url = \"ws://h\"\ntoken_env = \"X\"\ntoken_file = \"f\""), "`token_file` is given too"),
        (executor("url = \"wss://h\"\nclient_key = \"f\""), "without its certificate"),
        (executor("url = \"wss://h\"\npinned_certificate_sha256 = \"abc\""), "no SHA-256"),
        (executor("url = \"wss://h\"\ndialect = \"old\""), "not known"),
        ("[gateway]\nlisten = \"7412\"".into(), "not an address and a port"),
        ("[gateway]\nroutes = { a = \"b\" }".into(), "gateway.routes.a: this is not a URL"),
        (
            "[mcp_servers.a]\nurl = \"http://a/\"\n[gateway]\nroutes = { a = \"http://b/\" }".into(),
            "name of a server",
        ),
        ("a = [1, ".into(), "this is not TOML"),
    ] {
        let wrong = wrong(&text);
        assert!(wrong.contains(said), "{text}\nshould say {said:?}, and says {wrong}");
    }
}

/// Proves that no error repeats a value that may be a secret, wherever it is wrong.
#[test]
fn errors_repeat_no_secret() {
    for text in [
        "[mcp_servers.a]\nurl = \"http://u:canary@a b/?canary\"",
        "[mcp_servers.a]\nurl = \"canary\"",
        "[mcp_servers.a]\nurl = \"http://a/\"\nheaders = { A = \"canary\\n\" }",
        "[mcp_servers.a]\nurl = \"http://a/\"\nheaders = \"canary\"",
        "[mcp_servers.a]\nurl = \"http://a/\"\nheaders_from_env = { A = \"canary x\" }",
        "[mcp_servers.a]\nurl = \"http://a/\"\nbearer_token_env_var = \"canary-x\"",
        "[mcp_servers.a]\nurl = \"http://a/\"\nheaders = { A = \"canary }",
        "[mcp_servers.a]\nurl = \"http://a/\"\nheaders = { A = canary }",
        "[executors.a]\nurl = \"ws://me:canary@h\"",
        "[executors.a]\ncommand = \"ssh canary\"",
        "[executors.a]\nurl = \"ws://h\"\ntoken_env = \"canary-\"",
        "[executors.a]\nurl = \"wss://h\"\npinned_certificate_sha256 = \"canary\"",
    ] {
        let wrong = wrong(text);
        assert!(!wrong.contains("canary"), "{wrong}");
    }
}

proptest! {
    /// Proves that no text at all makes the reader fail otherwise than by saying so.
    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]a-z_.=\" \n{},0-9]{0,200}") {
        let _ = read(&text);
    }

    /// Proves the same where the text is made of what a configuration is made of.
    #[test]
    fn any_arrangement_is_read_or_refused(
        lines in prop::collection::vec(prop::sample::select(&[
            "[executors.a]", "[mcp_servers.a]", "[mcp_servers.a.oauth]", "[gateway]", "[[executors]]", "[executors]",
            "url = \"http://a/\"", "url = 1", "url = \"ws://h\"", "environment = \"a\"", "headers.A = \"b\"",
            "headers = { A = [] }", "command = [1]", "command = \"x\"", "env.A = \"b\"", "executors.b.url = \"ws://x\"",
            "tool_timeout = nan", "tool_timeout = 1979-05-27", "scopes = [\"a\"]", "routes.a = \"http://a/\"", "listen = \"\"",
        ][..]), 0..12)
    ) {
        if let Err(problems) = read(&lines.join("\n")) {
            for problem in &problems {
                prop_assert!(!problem.what.is_empty() && !problem.fix.is_empty(), "{problem}");
            }
        }
    }
}
