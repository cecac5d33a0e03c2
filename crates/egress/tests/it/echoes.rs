//! What an answer may carry away of the secrets that were sent for it.

use crate::support::{World, public_only};
use afield_egress::{Attachment, Secret, SecretSource, Secrets};
use afield_exchange::Request;
use afield_testkit::Origin;
use afield_testkit::raw::{RawOrigin, Script};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::NamedTempFile;

/// Secrets of these values, attached in `X-0`, `X-1` and so on.
fn attached(values: &[&str], redact: bool) -> (Secrets, Vec<NamedTempFile>) {
    let (mut secrets, mut attachments, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for (at, value) in values.iter().enumerate() {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), value).unwrap();
        let (name, header) = (format!("secret-{at}"), format!("X-{at}"));
        let secret = Secret::new(name.clone(), SecretSource::File(file.path().to_owned()), ["127.1.0.1"]);
        let secret =
            secret.unwrap().headers([header.as_str()]).unwrap().allow_plain_http().redact_echo(redact);
        secrets.push(secret);
        attachments.push(Attachment::new(name, &header).unwrap());
        files.push(file);
    }
    (Secrets::new(secrets, attachments).unwrap(), files)
}

fn world(values: &[&str], redact: bool) -> (World, Vec<NamedTempFile>) {
    let (secrets, files) = attached(values, redact);
    let world = World::with(|config| {
        config.policy = public_only();
        config.secrets = secrets;
    });
    (world, files)
}

/// An origin whose every answer is a head with these lines.
async fn answering(status: &str, lines: &str) -> RawOrigin {
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n{lines}\r\n\r\n");
    RawOrigin::builder().ip([127, 1, 0, 1]).otherwise(Script::answering(answer)).start().await.unwrap()
}

/// Proves that a `Location` in which a secret stands that was sent, in any case and encoding and in any part, is not followed,
/// and is shown without it where the secret says so (case 156).
#[tokio::test]
async fn case_156_a_location_that_holds_a_secret_is_not_followed() {
    let elsewhere = Origin::on("127.1.0.2").await;
    let port = elsewhere.port();
    let double = STANDARD.encode("key=Canary-Secret");
    for location in [
        format!("http://127.1.0.2:{port}/?key=Canary-Secret"),
        format!("http://127.1.0.2:{port}/canary-secret/"),
        format!("http://127.1.0.2:{port}/%43anary%2Dsecret"),
        format!("http://127.1.0.2:{port}/%2543anary%252dsecret"),
        format!("http://Canary-Secret@127.1.0.2:{port}/"),
        format!("http://u:CANARY-SECRET@127.1.0.2:{port}/"),
        format!("http://canary-secret.x.test:{port}/"),
        format!("http://\u{ff43}anary-secret.x.test:{port}/"),
        format!("http://127.1.0.2:{port}/?{double}"),
        format!("http://127.1.0.2:{port}/#Canary-Secret"),
        "/canary-secret".to_owned(),
        "?Canary-Secret".to_owned(),
    ] {
        let origin = answering("302 Found", &format!("location: {location}")).await;
        for redact in [true, false] {
            let (world, _files) = world(&["Canary-Secret"], redact);
            world.names.host("canary-secret.x.test", ["127.1.0.2"]);
            let answer = world.get(origin.url("/")).await.unwrap();
            assert_eq!(answer.head.status, 302, "{location}");
            let shown = answer.head.header("location").unwrap().value.clone();
            // Full-width letters are the secret to a URL parser alone.
            let is_clean = location.is_ascii() && redact;
            assert_eq!(shown != location.as_bytes(), is_clean, "{location}: {shown:?}");
            assert!(!is_clean || shown.windows(10).any(|text| text == b"[redacted]"), "{location}");
        }
    }
    assert_eq!(elsewhere.accepted(), 0);
    let origin = answering("302 Found", &format!("location: {}", elsewhere.url("/echo?canary-other"))).await;
    let (world, _files) = world(&["Canary-Secret"], true);
    assert_eq!(world.get(origin.url("/")).await.unwrap().head.status, 200, "nothing of it is a secret");
}

/// Proves that a secret of an earlier hop is found in a later one's `Location` too (case 156).
#[tokio::test]
async fn case_156_a_secret_of_an_earlier_hop_is_found_in_a_later_location() {
    let second = answering("302 Found", "location: http://127.1.0.2/?canary-secret").await;
    let second = second.url("/second");
    let first = answering("302 Found", &format!("location: {second}")).await;
    let (world, _files) = world(&["canary-secret"], true);
    let answer = world.get(first.url("/")).await.unwrap();
    assert_eq!(answer.head.header("location").unwrap().text().unwrap(), "http://127.1.0.2/?[redacted]");
}

/// Proves that echoed secrets are taken out of every header field, name and value, without being asked: a secret whose file
/// ends in spaces as it is sent, of two of which one begins the other all of the longer, and Basic credentials decoded
/// (case 157).
#[tokio::test]
async fn case_157_echoed_secrets_are_taken_out_as_they_were_sent() {
    let basic = format!("Basic {}", STANDARD.encode("user:canary-pass"));
    let (world, _files) = world(&["canary-space \t\n", "canary", "canary-longer", &basic], true);
    let lines = "x-a: canary-space\r\nx-b: <canary-longer>\r\nx-c: CANARY and more\r\nx-d: canary-pass\r\n\
                 canary-name: 1\r\nset-cookie: a=canary%2Dlonger; path=/\r\nx-e: nothing";
    let origin = answering("200 OK", lines).await;
    let head = world.get(origin.url("/")).await.unwrap().head;
    let fields: Vec<(&str, &str)> = (head.headers.iter())
        .filter(|field| field.name != "content-length")
        .map(|field| (field.name.as_str(), field.text().unwrap()))
        .collect();
    assert_eq!(
        fields,
        [
            ("x-a", "[redacted]"),
            ("x-b", "<[redacted]>"),
            ("x-c", "[redacted] and more"),
            ("x-d", "[redacted]"),
            ("redacted", "1"),
            ("set-cookie", "a=[redacted]; path=/"),
            ("x-e", "nothing"),
        ]
    );
    let seen = origin.connection(0).await.received();
    let seen = String::from_utf8_lossy(&seen).to_ascii_lowercase();
    assert!(seen.contains("x-0: canary-space\r\n"), "sent without the spaces: {seen}");
}

/// Proves that a value of spaces alone is none, and that one too short to be found is not looked for (case 157).
#[tokio::test]
async fn case_157_blank_secrets_are_refused_and_tiny_ones_not_sought() {
    let origin = answering("200 OK", "x-a: abc").await;
    let (blank, _files) = world(&[" \t "], true);
    let error = blank.call(Request::get(origin.url("/"))).await.unwrap_err();
    assert!(error.message().ends_with("it is empty"), "{error:?}");
    let (tiny, _files) = world(&["abc"], true);
    let head = tiny.get(origin.url("/")).await.unwrap().head;
    assert_eq!(head.header("x-a").unwrap().text().unwrap(), "abc");
}
