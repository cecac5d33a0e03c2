//! Section J: what must never be seen.

use crate::proxies::{Speaks, TestProxy};
use crate::support::{World, public_only};
use afield_egress::{
    Attachment, CaPolicy, HeaderVariables, HopReport, Observer, Policy, Proxy, Rule, Secret, SecretSource,
    Secrets, Upstream, Upstreams, VariableError,
};
use afield_exchange::{Header, Request, RequestBody};
use afield_testkit::Origin;
use afield_testkit::raw::{RawOrigin, Script};
use afield_testkit::tls::Ca;
use bytes::Bytes;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl log::Log for Captured {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let _ = writeln!(self.clone(), "{} {}", record.target(), record.args());
    }

    fn flush(&self) {}
}

struct Canary;

impl HeaderVariables for Canary {
    fn lookup(&self, _name: &str, _host: &str) -> Result<Bytes, VariableError> {
        Ok(Bytes::from_static(b"canary"))
    }
}

#[derive(Default)]
struct Reports(Mutex<Vec<String>>);

impl Observer for Reports {
    fn finished(&self, hop: HopReport) {
        self.0.lock().unwrap().push(format!("{hop:?}"));
    }
}

/// Secrets whose value, and a proxy whose password, is the canary.
fn held(file: &Path, proxy: &TestProxy) -> (Secrets, Upstreams) {
    let source = || SecretSource::File(file.to_owned());
    let secret = |name, places: [&'static str; 2]| {
        let secret = Secret::new(name, source(), places).unwrap().allow_plain_http();
        secret.headers(["X-Attached", "X-Named"]).unwrap()
    };
    let secrets = [secret("held", ["127.1.0.1", "far.test"]), secret("elsewhere", ["a.test", "b.test"])];
    let attached = [Attachment::new("held", "X-Attached").unwrap()];
    let proxy = Proxy::new(&format!("http://{}", proxy.address)).unwrap().credentials("canary", source());
    let upstreams = [Upstream::new("far", ["far.test"]).unwrap().proxy(proxy)];
    (Secrets::new(secrets, attached).unwrap(), Upstreams::new(upstreams).unwrap())
}

/// A request that holds the canary wherever a secret can be, over HTTP/1 and HTTP/2, through successes and failures of every
/// kind.
async fn provoke(seen: &mut Vec<String>) {
    let ca = Ca::new();
    let tls = ca.issue(&["127.1.0.1"]).server().alpn(["h2", "http/1.1"]).build();
    let secure = Origin::builder().ip([127, 1, 0, 1]).tls(tls).start().await.unwrap();
    let plain = Origin::on("127.1.0.1").await;
    let broken = RawOrigin::builder()
        .ip([127, 1, 0, 1])
        .otherwise(Script::new().expect_head().send("nonsense canary\r\n\r\n"))
        .start()
        .await
        .unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "canary\n").unwrap();
    let proxy = TestProxy::start(Speaks::Http, plain.address()).await;
    let (secrets, upstreams) = held(file.path(), &proxy);
    let (preset, rules) = (public_only().parts().0, public_only().parts().1.to_vec());
    let far = Rule::allow().network("192.0.2.0/24").unwrap();
    let mut world = World::with(|config| {
        config.policy = Policy::new(preset, rules.into_iter().chain([far]));
        config.secrets = secrets;
        config.upstreams = upstreams;
        config.ca = CaPolicy::Pem(ca.pem().into_bytes().into());
        config.variables = Arc::new(Canary);
        config.limits.connect = Duration::from_millis(200);
    });
    let reports = Arc::new(Reports::default());
    world.egress = world.egress.observed(Arc::clone(&reports) as Arc<dyn Observer>);
    seen.push(format!("{:?}", world.egress));
    world.names.host("internal.test", ["127.66.0.1"]);
    world.names.host("far.test", ["192.0.2.1"]);
    let places = [
        secure.address().to_string(),
        plain.address().to_string(),
        broken.address().to_string(),
        "127.66.0.1:1".into(),
        "127.1.0.1:1".into(),
        "internal.test".into(),
        "missing.test".into(),
        "far.test".into(),
        "127.1.0.1:99999".into(),
        "bad host".into(),
    ];
    for place in places {
        for scheme in ["http", "https", "ftp"] {
            for route in ["echo", "mirror", "redirect"] {
                let to = "http://canary:canary@127.66.0.1/canary?canary";
                let url = format!("{scheme}://canary:canary@{place}/{route}?to={to}&key=canary#canary");
                let mut request = Request::new("POST", url)
                    .header("Authorization", "Bearer canary")
                    .header("Cookie", "canary=canary")
                    .header("X-Api-Key", "canary")
                    .body(RequestBody::Bytes("canary".into()));
                let env_var = Some("CANARY".to_owned());
                request.headers.push(Header { env_var, ..Header::new("X-Variable", "canary") });
                match scheme {
                    "http" => request.headers.push(Header::secret("X-Named", "held")),
                    _ if route == "mirror" => request.headers.push(Header::secret("X-Named", "elsewhere")),
                    _ => {}
                }
                seen.push(format!("{request:?}"));
                match world.call(request).await {
                    Ok(answer) => seen.push(format!("{answer:?}")),
                    Err(error) => seen.push(format!("{error:?} {error} {:?}", error.log())),
                }
            }
        }
    }
    std::fs::write(file.path(), "a longer canary\r\n\r\nX: canary").unwrap();
    let late = World::with(|config| {
        (config.secrets, config.upstreams) = held(file.path(), &proxy);
        seen.extend(config.secrets.problems().into_iter().chain(config.upstreams.problems()));
    });
    for url in [plain.url("/echo"), "http://far.test/".into()] {
        let error = late.refused(url).await;
        seen.push(format!("{error:?} {error} {:?}", error.log()));
    }
    seen.append(&mut reports.0.lock().unwrap());
    assert!(seen.iter().any(|text| text.contains("\"held\"")), "secrets were sent");
    assert!(!proxy.asked().is_empty());
    for value in ["canary\r\n", "canary\0"] {
        let error = world.call(Request::get(plain.url("/")).header("X-Api-Key", value)).await.unwrap_err();
        seen.push(format!("{error:?} {error} {:?}", error.log()));
    }
}

/// Proves that no secret of a request reaches a log at any level, of ours or of the libraries', nor an error or a `Debug`.
#[test]
fn case_118_secrets_are_nowhere_to_be_seen() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    log::set_boxed_logger(Box::new(captured.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let mut seen = Vec::new();
    let _capturing = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(provoke(&mut seen));
    log::set_max_level(log::LevelFilter::Off);
    for text in &seen {
        assert!(!text.contains("canary"), "{text}");
    }
    let log = String::from_utf8_lossy(&captured.0.lock().unwrap()).into_owned();
    assert!(log.contains("denied by"), "the log was captured");
    if let Some(line) = log.lines().find(|line| line.contains("canary")) {
        panic!("{line}");
    }
}
