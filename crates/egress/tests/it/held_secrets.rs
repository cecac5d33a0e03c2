//! Secrets that stay on the operator's side: where they go, and where they never do.

use crate::support::{World, public_only, sent};
use afield_egress::{Attachment, CaPolicy, Secret, SecretError, SecretSource, Secrets};
use afield_exchange::{Blame, Error, Header, Kind, Request, RequestBody, detail};
use afield_testkit::Origin;
use afield_testkit::tls::Ca;
use std::path::Path;
use std::time::Duration;
use tempfile::NamedTempFile;

fn file(content: impl AsRef<[u8]>) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

fn from_file(name: &str, path: &Path, places: &[&str]) -> Secret {
    anywhere(Secret::new(name, SecretSource::File(path.to_owned()), places.iter().copied()).unwrap())
}

/// In any field that the tests send secrets in.
fn anywhere(secret: Secret) -> Secret {
    secret.headers(["Authorization", "X-Key", "X-Attached", "Accept"]).unwrap()
}

fn declared(secrets: impl IntoIterator<Item = Secret>) -> Secrets {
    attached(secrets, [])
}

fn attached(secrets: impl IntoIterator<Item = Secret>, to: impl IntoIterator<Item = Attachment>) -> Secrets {
    Secrets::new(secrets, to).unwrap().check_every(Duration::ZERO)
}

/// A world at whose public places TLS origins of this authority live.
fn world(ca: &Ca, secrets: Secrets) -> World {
    World::with(|config| {
        config.policy = public_only();
        config.ca = CaPolicy::Pem(ca.pem().into_bytes().into());
        config.secrets = secrets;
    })
}

async fn origin_at(ca: &Ca, address: &str) -> Origin {
    let tls = ca.issue(&[address]).server().alpn(["http/1.1"]).build();
    Origin::builder().ip(address.parse::<std::net::IpAddr>().unwrap()).tls(tls).start().await.unwrap()
}

fn naming(url: String, header: &str, value: &'static str, secret: &str) -> Request {
    let mut request = Request::get(url);
    request.headers.push(Header { value: value.into(), ..Header::secret(header, secret) });
    request
}

fn refused(error: &Error, blame: Blame, why: &str) {
    assert_eq!((error.kind(), error.detail()), (Kind::InvalidRequest, Some(detail::SECRET)), "{error:?}");
    assert_eq!(error.blame(), blame, "{error:?}");
    assert!(error.message().ends_with(why), "{error:?}");
    assert!(!format!("{error:?} {error} {:?}", error.log()).contains("canary"), "{error:?}");
}

/// Proves that a secret a request names completes the value, behind its prefix where nothing is given, and that a file's line
/// end is no part of it.
#[tokio::test]
async fn case_054_a_named_secret_completes_a_value() {
    let ca = Ca::new();
    let origin = origin_at(&ca, "127.1.0.1").await;
    let content = file("canary value\r\n\n");
    let variable = SecretSource::Environment("CARGO_PKG_NAME".to_owned());
    let world = world(
        &ca,
        declared([
            from_file("key", content.path(), &["127.1.0.1"]).prefix("Bearer ").unwrap(),
            anywhere(Secret::new("package", variable, ["127.1.0.1"]).unwrap()),
        ]),
    );
    for (value, secret, expected) in [
        ("", "key", "Bearer canary value"),
        ("Token ", "key", "Token canary value"),
        ("", "package", "afield-egress"),
    ] {
        world.call(naming(origin.url("/echo"), "X-Key", value, secret)).await.unwrap();
        assert_eq!(sent(&origin.requests().pop().unwrap(), "x-key").as_deref(), Some(expected));
    }
}

/// Proves that a redirect within the origin carries secrets on, and one to another origin never does: neither there, nor in any
/// hop after, though each host is one they may go to.
#[tokio::test]
async fn case_054_secrets_never_cross_origins() {
    let ca = Ca::new();
    let (first, other) = (origin_at(&ca, "127.1.0.1").await, origin_at(&ca, "127.1.0.2").await);
    let content = file("canary");
    let hosts = ["127.1.0.1", "127.1.0.2"];
    let secrets = [from_file("named", content.path(), &hosts), from_file("attached", content.path(), &hosts)];
    let world = world(&ca, attached(secrets, [Attachment::new("attached", "X-Attached").unwrap()]));
    let request = |url: String| naming(url, "Accept", "", "named");
    let both = |origin: &Origin| {
        let seen = origin.requests().pop().unwrap();
        (sent(&seen, "accept"), sent(&seen, "x-attached"))
    };
    let canary = || Some("canary".to_owned());

    world.call(request(first.url("/redirect?to=/echo"))).await.unwrap();
    assert_eq!(first.received(), 2);
    assert_eq!(both(&first), (canary(), canary()), "within the origin");

    world.call(request(first.url(&format!("/redirect?to={}", other.url("/echo"))))).await.unwrap();
    assert_eq!(both(&other), (None, None), "at the other origin");

    let back = other.url(&format!("/redirect?to={}", first.url("/echo")));
    world.call(request(first.url(&format!("/redirect?to={back}")))).await.unwrap();
    assert_eq!(first.requests().pop().unwrap().target(), "/echo");
    assert_eq!(both(&first), (None, None), "back at the first");
}

/// Proves that an attached secret stands in the place of whatever the caller sent under that name, userinfo included, where
/// its rule applies and nowhere else.
#[tokio::test]
async fn case_054_an_attached_secret_replaces_what_the_caller_sent() {
    let ca = Ca::new();
    let origin = origin_at(&ca, "127.1.0.1").await;
    let content = file("canary");
    let rule = Attachment::new("key", "authorization").unwrap().methods(["GET"]).principals(["ci"]);
    let second = Attachment::new("key", "Authorization").unwrap().principals(["ops"]);
    let secret = from_file("key", content.path(), &["127.1.0.1"]).prefix("Bearer ").unwrap();
    let world = world(&ca, attached([secret], [rule, second]));
    let theirs = |method: &str| {
        let url = origin.url("/echo").replace("https://", "https://user:pass@");
        Request::new(method, url)
            .header("Authorization", "theirs")
            .header("AUTHORIZATION", "theirs too")
            .header("Connection", "authorization")
    };
    for (principal, method, expected) in [
        ("ci", "GET", "Bearer canary"),
        ("ops", "POST", "Bearer canary"),
        ("ci", "POST", "Basic dXNlcjpwYXNz"),
        ("guest", "GET", "Basic dXNlcjpwYXNz"),
    ] {
        world.egress.for_principal(principal).call(theirs(method)).await.unwrap();
        let seen = origin.requests().pop().unwrap();
        assert_eq!(sent(&seen, "authorization").as_deref(), Some(expected), "{principal} {method}");
    }
    let explained = world.egress.for_principal("ci").explain("GET", &origin.url("/"), false).await.unwrap();
    assert_eq!(explained.attached, [("authorization".to_owned(), "key".to_owned())]);
}

/// Proves that a method which a redirect within the origin changes is what the rule is asked about.
#[tokio::test]
async fn case_054_an_attachment_goes_by_the_method_of_each_hop() {
    let ca = Ca::new();
    let origin = origin_at(&ca, "127.1.0.1").await;
    let content = file("canary");
    let secret = from_file("key", content.path(), &["127.1.0.1"]);
    let world = world(&ca, attached([secret], [Attachment::new("key", "X-Key").unwrap().methods(["POST"])]));
    let request = Request::new("POST", origin.url("/redirect?code=303&to=/echo"));
    world.call(request.body(RequestBody::Bytes("x".into()))).await.unwrap();
    assert_eq!(sent(&origin.request(0).await, "x-key").as_deref(), Some("canary"));
    assert_eq!(sent(&origin.request(1).await, "x-key"), None);
}

/// Proves that a secret goes nowhere but where it is declared for: host, port, header, principal, TLS; that the refusal names it
/// and comes before anything is sent.
#[tokio::test]
async fn secrets_go_only_where_they_are_declared_for() {
    let ca = Ca::new();
    let content = file("canary");
    let path = content.path();
    let world = world(
        &ca,
        declared([
            from_file("key", path, &["127.1.0.1", "api.test:8443"]).headers(["X-Key"]).unwrap(),
            from_file("theirs", path, &["127.1.0.1"]).principals(["ci"]),
        ]),
    )
    .sealed();
    for (url, header, secret, why) in [
        ("https://127.1.0.2/", "X-Key", "key", "may not go to this host and port"),
        ("https://api.test/", "X-Key", "key", "may not go to this host and port"),
        ("https://x.api.test:8443/", "X-Key", "key", "may not go to this host and port"),
        ("https://127.1.0.1/", "Authorization", "key", "may not be in this header"),
        ("https://127.1.0.1/", "Host", "theirs", "there is no secret `theirs`"),
        ("http://127.1.0.1/", "X-Key", "key", "goes over https only"),
        ("https://127.1.0.1/", "X-Key", "other", "there is no secret `other`"),
    ] {
        refused(
            &world.call(naming(url.to_owned(), header, "", secret)).await.unwrap_err(),
            Blame::Caller,
            why,
        );
    }
    let ci = world.egress.for_principal("ci");
    let error = ci.call(naming("https://127.1.0.1/".into(), "Host", "", "theirs")).await.unwrap_err();
    refused(&error, Blame::Caller, "may not be in this header");
    assert_eq!(world.dials(), 0);

    let secret = from_file("key", path, &["127.1.0.1"]);
    let attaching = self::world(&ca, attached([secret], [Attachment::new("key", "X-Key").unwrap()])).sealed();
    let error = attaching.refused("http://127.1.0.1/").await;
    refused(&error, Blame::Caller, "the secret `key` goes over https only");

    let origin = Origin::on("127.1.0.1").await;
    let open = from_file("open", path, &["127.1.0.1"]).allow_plain_http();
    let world = self::world(&ca, declared([open]));
    world.call(naming(origin.url("/echo"), "X-Key", "", "open")).await.unwrap();
    assert_eq!(sent(&origin.request(0).await, "x-key").as_deref(), Some("canary"));
}

/// Proves that a value which cannot be had, or cannot be a header's, is the operator's error, named and never shown, and that a
/// secret's file is read again when it changes, in place or by another file's taking its place.
#[tokio::test]
async fn case_054_secrets_are_read_again_and_bad_ones_are_refused() {
    let ca = Ca::new();
    let origin = origin_at(&ca, "127.1.0.1").await;
    let content = file("canary-1");
    let missing = SecretSource::Environment("AFIELD_NO_SUCH_VARIABLE".to_owned());
    let secrets = declared([
        from_file("key", content.path(), &["127.1.0.1"]),
        anywhere(Secret::new("unset", missing, ["127.1.0.1"]).unwrap()),
    ]);
    assert_eq!(
        secrets.problems(),
        ["secret `unset`: environment variable AFIELD_NO_SUCH_VARIABLE: its environment variable is not set"]
    );
    let world = world(&ca, secrets.clone());
    let call = async |secret: &str| world.call(naming(origin.url("/echo"), "X-Key", "", secret)).await;
    let last = || sent(&origin.requests().pop().unwrap(), "x-key").unwrap();

    call("key").await.unwrap();
    assert_eq!(last(), "canary-1");
    std::fs::write(content.path(), "canary-longer").unwrap();
    call("key").await.unwrap();
    assert_eq!(last(), "canary-longer");
    let replacing = file("canary-swapped");
    std::fs::rename(replacing.path(), content.path()).unwrap();
    call("key").await.unwrap();
    assert_eq!(last(), "canary-swapped");

    for (bad, why) in [
        (&b"\n"[..], "it is empty"),
        (b"canary\r\nX-More: canary", "it holds a line break or another control character"),
        (b"canary\0", "it holds a line break or another control character"),
        (&[b'c'; 70_000], "its file cannot be read"),
    ] {
        std::fs::write(content.path(), bad).unwrap();
        refused(&call("key").await.unwrap_err(), Blame::Operator, why);
        assert!(secrets.problems()[0].starts_with("secret `key`: "), "{:?}", secrets.problems());
    }
    std::fs::remove_file(content.path()).unwrap();
    refused(&call("key").await.unwrap_err(), Blame::Operator, "its file cannot be read");
    std::fs::create_dir(content.path()).unwrap();
    refused(&call("key").await.unwrap_err(), Blame::Operator, "its file cannot be read");
    std::fs::remove_dir(content.path()).unwrap();
    refused(&call("unset").await.unwrap_err(), Blame::Operator, "its environment variable is not set");
    assert_eq!(origin.received(), 3);
}

/// Proves that within the interval a file is not looked at again.
#[tokio::test]
async fn a_file_is_looked_at_no_more_often_than_asked() {
    let ca = Ca::new();
    let origin = origin_at(&ca, "127.1.0.1").await;
    let content = file("first");
    let secrets = declared([from_file("key", content.path(), &["127.1.0.1"])]);
    let world = world(&ca, secrets.check_every(Duration::from_secs(3600)));
    for _ in 0..2 {
        world.call(naming(origin.url("/echo"), "X-Key", "", "key")).await.unwrap();
        assert_eq!(sent(&origin.requests().pop().unwrap(), "x-key").as_deref(), Some("first"));
        std::fs::write(content.path(), "second").unwrap();
    }
}

/// Proves that a variable which a reference client names is a declared secret's or nothing, and stays on the first hop.
#[tokio::test]
async fn case_054_a_named_variable_is_a_declared_secret_or_nothing() {
    let ca = Ca::new();
    let origin = origin_at(&ca, "127.1.0.1").await;
    let variable = |name: &str| SecretSource::Environment(name.to_owned());
    let world = world(
        &ca,
        declared([
            Secret::new("package", variable("CARGO_PKG_NAME"), ["127.1.0.1"])
                .unwrap()
                .headers(["X-Key"])
                .unwrap(),
            anywhere(Secret::new("unset", variable("AFIELD_NO_SUCH_VARIABLE"), ["127.1.0.1"]).unwrap()),
        ]),
    );
    let with = |url: String, header: &str, variable: &str| {
        let mut request = Request::get(url);
        request.headers.push(Header { env_var: Some(variable.into()), ..Header::new(header, "Bearer ") });
        request
    };
    world.call(with(origin.url("/redirect?to=/echo"), "X-Key", "CARGO_PKG_NAME")).await.unwrap();
    assert_eq!(sent(&origin.request(0).await, "x-key").as_deref(), Some("Bearer afield-egress"));
    assert_eq!(sent(&origin.request(1).await, "x-key"), None);
    for (url, header, variable, word) in [
        (origin.url("/"), "X-Other", "CARGO_PKG_NAME", detail::HEADER_VARIABLE_REFUSED),
        ("https://127.1.0.2/".into(), "X-Key", "CARGO_PKG_NAME", detail::HEADER_VARIABLE_REFUSED),
        ("http://127.1.0.1/".into(), "X-Key", "CARGO_PKG_NAME", detail::HEADER_VARIABLE_REFUSED),
        (origin.url("/"), "X-Key", "PATH", detail::HEADER_VARIABLE_REFUSED),
        (origin.url("/"), "X-Key", "package", detail::HEADER_VARIABLE_REFUSED),
        (origin.url("/"), "X-Key", "AFIELD_NO_SUCH_VARIABLE", detail::HEADER_VARIABLE_ABSENT),
    ] {
        let error = world.call(with(url, header, variable)).await.unwrap_err();
        assert_eq!(error.detail(), Some(word), "{header} {variable}");
        assert_eq!(error.message(), format!("{header} {variable}"));
    }
}

/// Proves that a secret which the origin sends back is redacted in every response header, `Location` too, unless the
/// declaration says otherwise.
#[tokio::test]
async fn an_echoed_secret_is_redacted_unless_shown() {
    let ca = Ca::new();
    let origin = origin_at(&ca, "127.1.0.1").await;
    let content = file("canary");
    let secret = || from_file("key", content.path(), &["127.1.0.1"]).prefix("Bearer ").unwrap();
    let url = origin.url("/headers?x-echo=Bearer%20canary%2Ccanary&location=/x%3Fcanary&x-other=plain");
    let ask = async |secret: Secret| {
        let world = world(&ca, attached([secret], [Attachment::new("key", "Authorization").unwrap()]));
        let head = world.get(url.clone()).await.unwrap().head;
        ["x-echo", "location", "x-other"].map(|name| head.header(name).unwrap().text().unwrap().to_owned())
    };
    assert_eq!(ask(secret()).await, ["Bearer [redacted],[redacted]", "/x?[redacted]", "plain"]);
    assert_eq!(ask(secret().redact_echo(false)).await, ["Bearer canary,canary", "/x?canary", "plain"]);
}

/// Proves that declarations which cannot be meant so are refused, all at once, and that none of them shows a value.
#[test]
fn declarations_without_sense_are_refused() {
    let source = || SecretSource::Environment("CANARY".to_owned());
    let new = |name: &str, places: &[&str]| Secret::new(name, source(), places.iter().copied());
    assert!(matches!(new("", &["a.test"]), Err(SecretError::Name(_))));
    assert!(matches!(new("a b", &["a.test"]), Err(SecretError::Name(_))));
    assert!(matches!(new("a", &[]), Err(SecretError::Places(_))));
    assert!(matches!(new("a", &["*"]), Err(SecretError::Places(_))));
    assert!(matches!(new("a", &["*:443"]), Err(SecretError::Places(_))));
    assert!(matches!(new("a", &["https://a.test"]), Err(SecretError::Place { .. })));
    let attach = |attachment: Attachment| {
        Secrets::new([new("a", &["*.a.test:443"]).unwrap().principals(["ci"])], [attachment])
            .map(drop)
            .unwrap_err()
    };
    let in_authorization = || Attachment::new("a", "Authorization").unwrap();
    assert!(matches!(attach(Attachment::new("a", "X-Key").unwrap())[..], [SecretError::Elsewhere { .. }]));
    assert!(matches!(attach(in_authorization().methods(["G T"]))[..], [SecretError::Method { .. }]));
    assert!(matches!(attach(in_authorization().methods(["trace"]))[..], [SecretError::Method { .. }]));
    assert!(matches!(
        attach(in_authorization().places(["a.test"]).unwrap())[..],
        [SecretError::Nowhere { .. }]
    ));
    assert!(matches!(
        attach(in_authorization().places(["b.a.test:80"]).unwrap())[..],
        [SecretError::Nowhere { .. }]
    ));
    assert!(matches!(attach(in_authorization().principals(["ops"]))[..], [SecretError::Nobody { .. }]));
    let good = || new("a", &["a.test"]).unwrap();
    assert!(matches!(good().headers([]), Err(SecretError::NoHeader(_))));
    for header in
        ["Host", "content-length", "Transfer-Encoding", "connection", "proxy-authorization", "a b", ""]
    {
        assert!(matches!(good().headers([header]), Err(SecretError::Header { .. })), "{header}");
        assert!(matches!(Attachment::new("a", header), Err(SecretError::Header { .. })), "{header}");
    }
    assert!(matches!(good().prefix("a\r\nb"), Err(SecretError::Prefix(_))));
    let errors = Secrets::new(
        [good(), good(), new("b", &["b.test"]).unwrap().headers(["X-Key"]).unwrap()],
        [Attachment::new("c", "X-Key").unwrap(), Attachment::new("b", "X-Other").unwrap()],
    )
    .unwrap_err();
    assert!(
        matches!(
            &errors[..],
            [SecretError::Twice(_), SecretError::Unknown(_), SecretError::Elsewhere { .. }]
        ),
        "{errors:?}"
    );
    let (held, path) = (file("canary"), "path");
    let shown = format!("{path} {:?}", declared([from_file("key", held.path(), &["a.test"])]));
    assert!(shown.contains("key") && !shown.contains("canary"), "{shown}");
}
