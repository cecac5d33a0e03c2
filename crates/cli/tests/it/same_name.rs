//! One name, four kinds of principals: a token, a JSON Web Token, a client certificate and a user of this machine.

use crate::{
    access::new_token,
    support::{afield, code, run, text},
};
use afield_testkit::{Origin, Process, tls::Ca, within};
use afield_transport::{
    BearerToken, ClientIdentity, Connection, DialConfig, Message, NetStream, Received, WebSocket, dial,
};
use serde_json::{Value, json};
use std::{fs, path::Path};
use tokio::process::Command;

/// Somebody who may connect, and as whom.
struct Somebody {
    kind: &'static str,
    dial: DialConfig,
}

impl Somebody {
    async fn connect(&self) -> Option<Wire> {
        let connection = within("an upgrade is answered", dial(&self.dial)).await.ok()?;
        Some(Wire { connection, calls: 0 })
    }
}

struct Wire {
    connection: WebSocket<NetStream>,
    calls: u64,
}

impl Wire {
    async fn send(&mut self, message: Value) {
        self.connection.send_all(Message::Text(message.to_string().into())).await.unwrap();
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        self.send(json!({ "id": id, "method": method, "params": params })).await;
        within("an answer", async {
            loop {
                if let Received::Message(Message::Text(text)) = self.connection.receive().await.unwrap() {
                    let answer: Value = serde_json::from_slice(&text).unwrap();
                    if answer["id"] == id {
                        return answer;
                    }
                }
            }
        })
        .await
    }

    /// Begins this session, or a new one. The answer.
    async fn begin(&mut self, session: Option<&str>) -> Value {
        let answer =
            self.call("initialize", json!({ "clientName": "test", "resumeSessionId": session })).await;
        self.send(json!({ "method": "initialized", "params": {} })).await;
        answer
    }

    async fn get(&mut self, url: String) -> Value {
        self.call("http/request", json!({ "method": "GET", "url": url, "requestId": "r" })).await
    }
}

/// `afield serve` with these arguments, and its URL.
async fn start(arguments: &[&str]) -> (Process, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afield"));
    command.env_clear().args(["serve", "--log", "off"]).args(arguments);
    let executor = Process::start(command).unwrap();
    let url = executor.stdout().wait_line(":").await;
    (executor, url)
}

/// What the audit says of whom, an event a line.
fn audited(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Proves that a token, a JSON Web Token, a client certificate and a user of a Unix socket that have one and the same name are
/// four principals to `afield serve`: each has its own sessions, rules and shares, and its own name in the audit (case 145).
#[tokio::test(flavor = "multi_thread")]
async fn case_145_one_name_of_four_kinds_is_four_principals() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let name = rustix::process::getuid().as_raw().to_string();
    let kinds = ["token", "jwt", "cert", "uid"];

    // A rule for each, which is about an origin of its own.
    let mut origins = Vec::new();
    let mut rules = String::new();
    for kind in kinds {
        let origin = Origin::start().await;
        let port = origin.port();
        rules += &format!(
            "[[policy.rules]]\naction = \"deny\"\nports = {port}\nprincipals = \"{kind}:{name}\"\n\n"
        );
        origins.push(origin);
    }
    fs::write(path("config.toml"), rules).unwrap();

    let (token, line) = new_token(&name).await;
    fs::write(path("tokens"), line).unwrap();
    fs::write(path("secret"), "0123456789abcdef0123456789abcdef\n").unwrap();
    let of = ["--issuer", "https://issuer.test", "--audience", "afield", "--subject", &name];
    let made = run(afield(&[&["token", "jwt", "--secret-file", &path("secret")], &of[..]].concat())).await;
    assert_eq!(code(&made), 0, "{}", text(&made.stderr));
    let jwt = text(&made.stdout).trim().to_owned();
    let (ca, clients) = (Ca::new(), Ca::new());
    let (certificate, key) = ca.issue(&["127.0.0.1"]).write_to(folder.path()).unwrap();
    let own = tempfile::tempdir().unwrap();
    let (client_certificate, client_key) = clients.issue_client(&name).write_to(own.path()).unwrap();

    let (config, audits) = (path("config.toml"), [path("tls.audit"), path("unix.audit")]);
    let few = ["--limit", "connections=8", "--limit", "shares=4", "--config", &config];
    let (tokens, secret, clients_ca) =
        (path("tokens"), path("secret"), clients.pem_file().to_str().unwrap().to_owned());
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let access = [
        ["--token-file", tokens.as_str(), "--jwt-secret-file", &secret],
        ["--jwt-issuer", "https://issuer.test", "--jwt-audience", "afield"],
        ["--tls-certificate", certificate, "--tls-key", key],
        ["--tls-client-ca", &clients_ca, "--tls-client-optional", "--audit=file"],
    ]
    .concat();
    let unix = format!("unix:{}", path("executor.sock"));
    let (_tls, tls_url) =
        start(&[&["--listen", "wss://127.0.0.1:0", "--audit-path", &audits[0]][..], &few, &access].concat())
            .await;
    let (_unix, unix_url) =
        start(&[&["--listen", &unix, "--audit-path", &audits[1]][..], &few].concat()).await;

    let reach = |url: &str| {
        let mut dial = DialConfig::new(url);
        dial.tls = Some(ca.client_config([]).into());
        dial
    };
    let mut everybody = kinds.map(|kind| {
        let url = if kind == "uid" { &unix_url } else { &tls_url };
        Somebody { kind, dial: reach(url) }
    });
    everybody[0].dial.token = Some(BearerToken::new(token));
    everybody[1].dial.token = Some(BearerToken::new(jwt));
    everybody[2].dial.identity = Some(ClientIdentity { certificate: client_certificate, key: client_key });

    // Rules: each is kept from its own origin, and from no other's.
    let mut sessions = Vec::new();
    for (at, who) in everybody.iter().enumerate() {
        let mut wire = who.connect().await.expect(who.kind);
        let begun = wire.begin(None).await;
        sessions.push(begun["result"]["sessionId"].as_str().expect(who.kind).to_owned());
        for (of, origin) in origins.iter().enumerate() {
            let answer = wire.get(origin.url("/echo")).await;
            let is_denied = answer["error"]["data"]["kind"] == "policy_denied";
            assert_eq!(is_denied, at == of, "{} at the origin of {}: {answer}", who.kind, kinds[of]);
            assert!(is_denied || answer["result"]["status"] == 200, "{}: {answer}", who.kind);
        }
    }

    // Sessions: each finds its own again, and the others' are unknown to it.
    for (at, who) in everybody.iter().enumerate() {
        for (of, session) in sessions.iter().enumerate() {
            let answer = who.connect().await.expect(who.kind).begin(Some(session)).await;
            match at == of {
                true => assert_eq!(answer["result"]["sessionId"], session.as_str(), "{}", who.kind),
                false => assert_eq!(
                    answer["error"]["message"],
                    format!("unknown session id {session}"),
                    "{} at the session of {}",
                    who.kind,
                    kinds[of]
                ),
            }
        }
    }

    // Shares: of eight connections one may have five, and each of the others has one all the same.
    let mut taken = Vec::new();
    for _ in 0..5 {
        taken.push(everybody[0].connect().await.expect("five of eight"));
    }
    assert!(everybody[0].connect().await.is_none(), "six of eight");
    for who in &everybody[1..] {
        let mut wire = who.connect().await.unwrap_or_else(|| panic!("no place for {}", who.kind));
        assert!(wire.begin(None).await["result"].is_object(), "{}", who.kind);
        taken.push(wire);
    }

    // The audit: everything that each did is under its kind.
    for (file, kinds) in audits.iter().zip([&kinds[..3], &kinds[3..]]) {
        let events = audited(Path::new(file));
        for kind in kinds {
            let of = events.iter().filter(|event| event["principalKind"] == *kind);
            let denied = of.clone().filter(|event| event["outcome"] == "policy_denied").count();
            assert_eq!(denied, 1, "{kind}: {events:?}");
            assert!(of.clone().count() >= 5, "{kind}: {events:?}");
            let told = if *kind == "uid" { format!("uid:{name}") } else { name.clone() };
            assert!(of.clone().all(|event| event["principal"] == told.as_str()), "{kind}: {events:?}");
        }
        let strangers = events.iter().filter(|event| event["event"] == "request");
        let mut strangers =
            strangers.filter(|event| !kinds.iter().any(|kind| event["principalKind"] == *kind));
        assert_eq!(strangers.next(), None);
    }
}
