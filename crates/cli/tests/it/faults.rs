//! What is wrong with a configuration is said in the same words by whoever reads it.

use crate::support::{afield, folder::Folder, run, text};
use afield_testkit::{Process, tls::Ca};
use std::os::unix::fs::PermissionsExt;

const SERVE: &str = "[serve]\nlisten = \"ws://127.0.0.1:0\"\n";
const GATEWAY: &str =
    "[gateway]\nlisten = \"127.0.0.1:0\"\n[gateway.routes]\na = \"http://h/\"\nb = \"http://h/\"\n";
const TLS: &str =
    "[serve]\nlisten = \"wss://127.0.0.1:0\"\ntls_certificate = \"server.pem\"\ntls_key = \"server.key\"\n";
const JWT: &str = "[serve.jwt]\nissuer = \"i\"\naudience = \"a\"\nsecret_file = \"secret\"\n";

/// Who goes by a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Serve,
    Gateway,
}

impl Who {
    /// What it starts with.
    fn good(self) -> &'static str {
        match self {
            Self::Serve => SERVE,
            Self::Gateway => GATEWAY,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Gateway => "gateway",
        }
    }

    async fn start(self, folder: &Folder) -> Process {
        let process = match self {
            Self::Serve => folder.serve(),
            Self::Gateway => folder.gateway(),
        };
        process.stdout().wait_line("://127.0.0.1").await;
        process
    }
}

/// A folder in which every file that the tables name is as it should be.
fn folder(configuration: &str) -> Folder {
    let folder = Folder::with(configuration);
    let ca = Ca::new();
    folder.identity(&ca.issue(&["localhost"]));
    folder.write("ca.pem", &ca.pem());
    folder.write("tokens", "token\n");
    folder.write("empty", "# nobody\n");
    folder.write("secret", &"s".repeat(32));
    folder.write("names", "ci\n");
    folder
}

/// Proves that what keeps an executor or a gateway from starting is found by `config check`, at start, and when the configuration
/// is read again, in the same words, and that what runs goes on as it was (case 190).
#[tokio::test(flavor = "multi_thread")]
async fn case_190_faults_are_the_same_for_check_start_and_reload() {
    use Who::{Gateway, Serve};
    let long = format!("[serve]\nlisten = \"unix:/tmp/{}\"\n", "x".repeat(120));
    for (who, configuration, expected) in [
        (Serve, "[serve]\nlisten = \"ws://0.0.0.0:0\"\n", "neither authentication nor TLS"),
        (Serve, "[serve]\nlisten = \"ws://0.0.0.0:0\"\ntoken_file = \"tokens\"\n", "no TLS there"),
        (
            Serve,
            "[serve]\nlisten = \"ws://0.0.0.0:0\"\ntls_terminated_in_front = true\n",
            "no authentication there",
        ),
        (Serve, "[serve]\ntoken_file = \"nothing\"\n", "nothing: No such file"),
        (Serve, "[serve]\ntoken_file = \"empty\"\n", "no token in it"),
        (Serve, "[serve]\nlisten = \"wss://127.0.0.1:0\"\n", "TLS needs --tls-certificate"),
        (Serve, "[serve]\nlisten = \"http://127.0.0.1:0\"\n", "only ws://, wss:// and unix: are known"),
        (Serve, "[serve]\nlisten = \"unix:/nowhere/x.sock\"\n", "cannot listen on /nowhere/x.sock"),
        (Serve, &long, "path must be shorter than"),
        (Serve, "[serve]\ntls_certificate = \"tokens\"\ntls_key = \"tokens\"\n", "no certificate in it"),
        (Serve, "[serve]\nadmin = \"0.0.0.0:0\"\n", "whoever asks there says not who he is"),
        (Serve, "[serve]\nadmin = \"nonsense\"\n", "the admin listener cannot be at"),
        (Serve, "[serve]\nadmin = \"unix:/nowhere/x\"\n", "the admin listener cannot be at unix:/nowhere/x"),
        (Serve, "[serve]\nca = \"empty\"\n", "empty"),
        (Serve, "[serve]\nca = \"nothing\"\n", "nothing"),
        (Serve, "[serve]\nproxy_protocol = \"nonsense\"\n", "nonsense"),
        (Serve, "[serve]\nallowed_hosts = [\"a:1\"]\n", "allowed_hosts"),
        (Serve, "[serve.jwt]\nsecret_file = \"secret\"\n", "issuer"),
        (Serve, "[serve.client_certificates]\nca = \"ca.pem\"\n", "client certificates are checked in TLS"),
        (Serve, "[serve]\nlisen = \"x\"\n", "this key is not known"),
        (Serve, "[audit]\npath = \"nowhere/audit\"\n", "nowhere/audit: No such file"),
        (Serve, "[audit]\npath = \"/\"\n", "cannot write the audit to /: Is a directory"),
        (Serve, "[audit]\nsink = \"file\"\n", "the file has no name"),
        (Serve, "[log]\nlevel = \"loud\"\n", "is not a level"),
        (Serve, "[limits]\nwindow_bytes = \"1K\"\n", "window_bytes"),
        (Serve, "[[policy.rules]]\naction = \"deny\"\nhosts = [\".example\"]\n", "*.example"),
        (Serve, "[[attach]]\nsecret = \"x\"\nheader = \"a\"\n", "declare it as [secrets.NAME]"),
        (Gateway, "[gateway]\nlisten = \"0.0.0.0:0\"\n", "can be reached from other machines"),
        (Gateway, "[gateway.routes]\nreadyz = \"http://h/\"\n", "the gateway answers there"),
        (Gateway, "[gateway.routes]\n\"a//b\" = \"http://h/\"\n", "choose another name"),
        (Gateway, "[gateway.routes]\na = \"http://h/#f\"\n", "fragment"),
        (Gateway, "[gateway.route_host]\nc = \"c.localhost\"\n", "there is no route"),
        (
            Gateway,
            "[gateway.routes]\na = \"http://h/\"\n[gateway.route_host]\na = \"localhost\"\n",
            "this is not the name of a host",
        ),
        (
            Gateway,
            "[gateway.routes]\na = \"http://h/\"\nb = \"http://h/\"\n[gateway.route_host]\na = \"x.localhost\"\nb = \"x.localhost\"\n",
            "another route has it",
        ),
        (Gateway, "[gateway]\ntoken_file = \"nothing\"\n", "nothing: No such file"),
        (Gateway, "[gateway]\ntoken_env = \"NOT_SET\"\n", "the variable NOT_SET is not set"),
    ] {
        let folder = folder(configuration);
        let (found, said) = folder.check().await;
        assert_eq!(found, 78, "{configuration}: {said}");
        assert!(said.contains(expected), "{configuration}: {said}");
        let got = run(afield(&[who.word(), "--config", &folder.config()])).await;
        let said = text(&got.stderr);
        assert!(!got.status.success() && text(&got.stdout).is_empty(), "{configuration}: it does start");
        assert!(said.contains(expected), "{configuration}: at start {said}");

        folder.write("config.toml", who.good());
        assert_eq!(folder.check().await.0, 0, "{}", who.good());
        let mut process = who.start(&folder).await;
        folder.write("config.toml", configuration);
        process.reload();
        eprintln!("on reload: {configuration}");
        process.stderr().wait_line(expected).await;
        assert!(process.is_running(), "{configuration}");
    }
}

/// Proves that what starts and is worth a word is told by `config check`, at start, and when the configuration is read again, in
/// the same words (case 190).
#[tokio::test(flavor = "multi_thread")]
async fn case_190_warnings_are_the_same_for_check_start_and_reload() {
    use Who::{Gateway, Serve};
    let lab = "[executors.lab]\nurl = \"ws://127.0.0.1:1\"\ntoken_file = \"nothing\"\n";
    let server = "[mcp_servers.s]\nurl = \"http://h/\"\n";
    for (who, configuration, expected) in [
        (
            Serve,
            format!("{SERVE}[secrets.k]\nenv = \"NOT_SET\"\nhosts = [\"h:443\"]\n"),
            "secret `k`: environment variable NOT_SET",
        ),
        (
            Serve,
            format!("{SERVE}[[upstreams]]\nname = \"u\"\nhosts = [\"h\"]\nca = \"nothing\"\n"),
            "nothing: No such file",
        ),
        (Serve, format!("{SERVE}[limits]\nkept_bytes = \"1024G\"\n"), "the system would end it"),
        (
            Gateway,
            GATEWAY.replace("[gateway.routes]", "allowed_hosts = [\"gw.test\"]\n[gateway.routes]"),
            "under the name \"gw.test\" browsers do not say",
        ),
        (Gateway, format!("{GATEWAY}{lab}"), "executors.lab: its token"),
        (
            Gateway,
            format!("{GATEWAY}{server}headers_from_env = {{ X-A = \"${{NOT_SET}}\" }}\n"),
            "the server \"s\" cannot be used",
        ),
        (Gateway, format!("{GATEWAY}{server}environment = \"lba\"\n"), "there is no executor named \"lba\""),
        (
            Gateway,
            format!(
                "{GATEWAY}{server}[mcp_servers.s.oauth]\nclient_id = \"c\"\nclient_secret_file = \"nothing\"\n"
            ),
            "the server \"s\" cannot be used",
        ),
    ] {
        let folder = folder(&configuration);
        let (_, said) = folder.check().await;
        assert!(said.contains(expected) && !said.contains("would not start"), "{configuration}: {said}");
        let process = who.start(&folder).await;
        process.stderr().wait_line(expected).await;
        drop(process);
        folder.write("config.toml", who.good());
        let process = who.start(&folder).await;
        assert!(!process.stderr().text().contains(expected), "{configuration}");
        folder.write("config.toml", &configuration);
        process.reload();
        process.stderr().wait_line(expected).await;
    }
}

/// Proves that the file of another program, which says nothing of an executor, does not take the place of a configuration that
/// runs: it would take its rules away (case 190).
#[tokio::test(flavor = "multi_thread")]
async fn case_190_another_programs_file_replaces_no_policy() {
    let folder = folder(SERVE);
    let process = Who::Serve.start(&folder).await;
    folder.write("config.toml", "[mcp_servers.s]\ncommand = \"x\"\n");
    process.reload();
    let said = process.stderr().wait_line("what=\"configuration\"").await;
    assert!(said.contains("error"), "{said}");
}

/// Proves that every file on which it depends who comes in, who is asked, or what is told to whom, is refused where anybody can
/// write it, by `config check`, at start and on reload alike; and that anybody's reading a secret is told of (case 146).
#[tokio::test(flavor = "multi_thread")]
async fn case_146_files_of_everybody_are_refused_and_read_secrets_told_of() {
    use Who::{Gateway, Serve};
    let clients = format!("{TLS}[serve.client_certificates]\nca = \"ca.pem\"\nnames = \"names\"\n");
    let keys = format!("{SERVE}[serve.jwt]\nissuer = \"i\"\naudience = \"a\"\npublic_keys = \"jwt.pem\"\n");
    let secret = format!("{SERVE}[secrets.k]\nfile = \"secret\"\nhosts = [\"h:443\"]\n");
    let upstream = format!(
        "{SERVE}[[upstreams]]\nname = \"u\"\nhosts = [\"h\"]\nca = \"ca.pem\"\nclient_certificate = \"server.pem\"\nclient_key = \"server.key\"\n"
    );
    let proxy = format!(
        "{SERVE}[[upstreams]]\nname = \"u\"\nhosts = [\"h\"]\nproxy = \"http://127.0.0.1:1\"\nproxy_user = \"u\"\nproxy_password_file = \"secret\"\n"
    );
    let lab = format!(
        "{GATEWAY}[executors.lab]\nurl = \"wss://127.0.0.1:1\"\ntoken_file = \"tokens\"\nca = \"ca.pem\"\nclient_certificate = \"server.pem\"\nclient_key = \"server.key\"\n"
    );
    let login = format!(
        "{GATEWAY}[mcp_servers.s]\nurl = \"http://h/\"\n[mcp_servers.s.oauth]\nclient_id = \"c\"\nclient_secret_file = \"secret\"\n"
    );
    let tokens = format!("{SERVE}token_file = \"tokens\"\n");
    let ca = format!("{SERVE}ca = \"ca.pem\"\n");
    let jwt = format!("{SERVE}{JWT}");
    let token = "[gateway]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"tokens\"\n";
    for (who, configuration, files) in [
        (Serve, TLS, &["config.toml", "server.pem", "server.key!"][..]),
        (Serve, &tokens, &["tokens!"]),
        (Serve, &jwt, &["secret!"]),
        (Serve, &keys, &["jwt.pem"]),
        (Serve, &clients, &["ca.pem", "names"]),
        (Serve, &ca, &["ca.pem"]),
        (Serve, &secret, &["secret!"]),
        (Serve, &upstream, &["ca.pem", "server.pem", "server.key!"]),
        (Serve, &proxy, &["secret!"]),
        (Gateway, &lab, &["config.toml", "tokens!", "ca.pem", "server.pem", "server.key!"]),
        (Gateway, token, &["tokens!"]),
        (Gateway, &login, &["secret!"]),
    ] {
        for file in files {
            let is_secret = file.ends_with('!');
            let file = file.trim_end_matches('!');
            let folder = folder(configuration);
            folder.write("jwt.pem", PUBLIC_KEY);
            let (found, said) = folder.check().await;
            assert_eq!(found, 0, "{file}: {said}");
            assert!(!said.contains("anybody"), "{file}: {said}");
            let process = who.start(&folder).await;
            assert!(!process.stderr().text().contains("anybody"), "{file}: {}", process.stderr().text());
            folder.chmod(file, 0o666);
            process.reload();
            process.stderr().wait_line(&format!("{file} can be written by anybody")).await;
            drop(process);
            let (found, said) = folder.check().await;
            assert_eq!(found, 78, "{file}: {said}");
            assert!(said.contains(&format!("{file} can be written by anybody")), "{file}: {said}");
            let got = run(afield(&[who.word(), "--config", &folder.config()])).await;
            let said = text(&got.stderr);
            assert!(!got.status.success() && said.contains("can be written by anybody"), "{file}: {said}");

            folder.chmod(file, 0o644);
            let expected = format!("{file} holds a secret that anybody on this machine can read");
            let (found, said) = folder.check().await;
            assert_eq!((found, said.contains(&expected)), (0, is_secret), "{file}: {said}");
            let process = who.start(&folder).await;
            match is_secret {
                true => drop(process.stderr().wait_line(&expected).await),
                false => assert!(!process.stderr().text().contains("anybody"), "{file}"),
            }
        }
    }
}

/// Proves that a file of digests, of which nobody can make a token, may be read by anybody, and that an audit's file that anybody
/// could read is its owner's from the start, which is told (case 146).
#[tokio::test(flavor = "multi_thread")]
async fn case_146_digests_may_be_read_and_an_audit_may_not() {
    let folder = folder(&format!("{SERVE}token_file = \"tokens\"\n[audit]\npath = \"audit\"\n"));
    folder.write("tokens", &format!("ci {}\n", "0".repeat(64)));
    folder.chmod("tokens", 0o644);
    folder.write("audit", "");
    folder.chmod("audit", 0o644);
    let (found, said) = folder.check().await;
    assert!(found == 0 && !said.contains("anybody"), "{said}");
    let process = Who::Serve.start(&folder).await;
    process.stderr().wait_line("could be read by others (its mode was 644)").await;
    let mode = std::fs::metadata(folder.path("audit")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
