//! TLS on the listening side, and certificates that are trusted for being pinned.

use crate::{
    listen::{hasty, say, serve, tls_listener},
    support::{message, soon, text},
};
use afield_testkit::tls::{Ca, Identity, Version};
use afield_transport::{
    Connection, DialConfig, DialError, NetStream, NoAuthentication, Pin, ServerTls, Socket, dial,
};
use std::{path::Path, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Writes an identity into the directory and makes a listening side of it.
fn server(identity: &Identity, directory: &Path) -> Arc<ServerTls> {
    let (certificate, key) = identity.write_to(directory).unwrap();
    Arc::new(ServerTls::new(certificate, key, None).unwrap())
}

/// A client that trusts this authority.
fn client(url: String, ca: &Ca) -> DialConfig {
    let mut config = DialConfig::new(url);
    config.tls = Some(Arc::new(ca.client_config([])));
    config
}

async fn hello(config: &DialConfig) -> Result<(), DialError> {
    let mut websocket = soon(dial(config)).await?;
    assert!(matches!(websocket.stream(), NetStream::Tls(_)));
    websocket.send_all(text("hello")).await.unwrap();
    assert_eq!(message(&mut websocket).await, text("hello"));
    Ok(())
}

/// Proves that TLS 1.2 and 1.3 are both spoken, that `http/1.1` is chosen where a client offers it, and that one that
/// offers only something else is refused.
#[tokio::test]
async fn tls_12_and_13_are_spoken_with_http_1_1() {
    let (ca, directory) = (Ca::new(), tempfile::tempdir().unwrap());
    let (address, _outcomes) =
        tls_listener(&server(&ca.issue(&["127.0.0.1"]), directory.path()), NoAuthentication).await;
    for version in [Version::Tls12, Version::Tls13] {
        let version: &'static rustls::SupportedProtocolVersion = match version {
            Version::Tls12 => &rustls::version::TLS12,
            Version::Tls13 => &rustls::version::TLS13,
        };
        for (offered, accepted) in [(vec!["h2", "http/1.1"], true), (vec![], true), (vec!["h2"], false)] {
            let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(
                rustls::crypto::ring::default_provider(),
            ))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(ca.roots())
            .with_no_client_auth();
            config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
            let stream = TcpStream::connect(address).await.unwrap();
            let name = "127.0.0.1".try_into().unwrap();
            let shaken = soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
            assert_eq!(shaken.is_ok(), accepted, "{version:?} {offered:?}: {shaken:?}");
            if let Ok(stream) = shaken {
                let (_, connection) = stream.get_ref();
                assert_eq!(connection.protocol_version(), Some(version.version));
                assert_eq!(connection.alpn_protocol().is_some(), !offered.is_empty());
            }
        }
    }
    assert!(hello(&client(format!("wss://{address}"), &ca)).await.is_ok());
}

/// Proves that a certificate written anew is used from the next handshake on, that open connections go on, and that one
/// that is broken, or whose key is another's, changes nothing and is told.
#[tokio::test]
async fn a_new_certificate_is_used_and_a_broken_one_is_not() {
    let (old, new, directory) = (Ca::new(), Ca::new(), tempfile::tempdir().unwrap());
    let tls = server(&old.issue(&["127.0.0.1"]), directory.path());
    let (address, _outcomes) = tls_listener(&tls, NoAuthentication).await;
    let url = format!("wss://{address}");
    let mut open = soon(dial(&client(url.clone(), &old))).await.unwrap();

    let next = new.issue(&["127.0.0.1"]);
    std::fs::write(directory.path().join("certificate.pem"), next.certificate_pem()).unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("key.pem") && error.contains("not the key"), "{error}");
    hello(&client(url.clone(), &old)).await.unwrap();

    std::fs::write(directory.path().join("key.pem"), next.key_pem()).unwrap();
    tls.reload().unwrap();
    hello(&client(url.clone(), &new)).await.unwrap();
    assert!(matches!(hello(&client(url.clone(), &old)).await, Err(DialError::Tls { .. })));
    open.send_all(text("still here")).await.unwrap();
    assert_eq!(message(&mut open).await, text("still here"));

    std::fs::remove_file(directory.path().join("key.pem")).unwrap();
    assert!(tls.reload().is_err());
    hello(&client(url, &new)).await.unwrap();
}

/// Proves that a certificate or key that cannot be used is named, with what to do.
#[test]
fn unusable_certificates_and_keys_are_told() {
    let (ca, directory) = (Ca::new(), tempfile::tempdir().unwrap());
    let (certificate, key) = ca.issue(&["127.0.0.1"]).write_to(directory.path()).unwrap();
    let file = |name: &str, contents: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    };
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let traditional = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    for (certificate, key, why) in [
        (directory.path().join("none"), key.clone(), "No such file"),
        (key.clone(), key.clone(), "no certificate"),
        (file("junk", "-----BEGIN CERTIFICATE-----\nAAAA"), key.clone(), "PEM"),
        (certificate.clone(), certificate.clone(), "no private key"),
        (certificate.clone(), file("encrypted", encrypted), "encrypted"),
        (certificate.clone(), file("traditional", traditional), "encrypted"),
        (certificate.clone(), file("other", ca.issue(&["x.test"]).key_pem()), "not the key"),
    ] {
        let error = ServerTls::new(certificate, key, None).unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}

/// Proves that HTTP on a port that speaks TLS is told so in HTTP, and that whatever else comes, or nothing, ends.
#[tokio::test]
async fn case_084_plain_http_on_a_tls_port_is_told() {
    let (ca, directory) = (Ca::new(), tempfile::tempdir().unwrap());
    let tls = server(&ca.issue(&["127.0.0.1"]), directory.path());
    let socket = Socket::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = socket.address().unwrap();
    let mut outcomes = serve(socket, Some(tls), hasty(NoAuthentication));
    let answer = String::from_utf8(say(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("wss://"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    assert_eq!(soon(outcomes.recv()).await.unwrap().unwrap_err().reason.code(), "not_tls");
    let error = soon(dial(&DialConfig::new(format!("ws://{address}")))).await.unwrap_err();
    assert!(
        matches!(&error, DialError::Refused { status: 400, body, .. } if body.contains("wss://")),
        "{error:?}"
    );
    assert_eq!(soon(outcomes.recv()).await.unwrap().unwrap_err().reason.code(), "not_tls");

    say(address, b"\x16\x03\x01\x00\x05hello").await;
    assert_eq!(soon(outcomes.recv()).await.unwrap().unwrap_err().reason.code(), "tls");
    for beginning in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00"] {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.try_write(beginning).unwrap();
        let refused = soon(outcomes.recv()).await.unwrap().unwrap_err();
        assert_eq!(refused.reason.code(), "timeout", "case 83: {beginning:?}");
    }
}

/// Proves that a pinned certificate is trusted by itself, whatever its name, dates and authority, that another is not
/// though its name and authority are right, and that where an authority is named too both must agree.
#[tokio::test]
async fn a_pinned_certificate_is_trusted_and_no_other() {
    let (ca, other, directory) = (Ca::new(), Ca::new(), tempfile::tempdir().unwrap());
    let expired = ca.issue_expired(&["elsewhere.test"]);
    let (address, _outcomes) = tls_listener(&server(&expired, directory.path()), NoAuthentication).await;
    let pinned = |identity: &Identity| {
        let mut config = DialConfig::new(format!("wss://{address}"));
        config.pins = vec![Pin::of_certificate(&identity.chain()[0])];
        config
    };
    hello(&pinned(&expired)).await.unwrap();
    let error = hello(&pinned(&ca.issue(&["127.0.0.1"]))).await.unwrap_err();
    assert!(matches!(error, DialError::Tls { .. }), "{error:?}");
    let shown = Pin::of_certificate(&expired.chain()[0]).to_string();
    assert!(error.to_string().contains(&shown), "so that it can be compared: {error}");

    let directory = tempfile::tempdir().unwrap();
    let good = ca.issue(&["127.0.0.1"]);
    let (address, _outcomes) = tls_listener(&server(&good, directory.path()), NoAuthentication).await;
    for (authority, pin, accepted) in [(&ca, &good, true), (&ca, &expired, false), (&other, &good, false)] {
        let mut config = client(format!("wss://{address}"), authority);
        config.pins = pinned(pin).pins;
        let outcome = hello(&config).await;
        assert_eq!(outcome.is_ok(), accepted, "{outcome:?}");
    }
    let mut plain = DialConfig::new(format!("ws://{address}"));
    plain.pins = pinned(&good).pins;
    assert!(matches!(soon(dial(&plain)).await, Err(DialError::InvalidUrl(_))), "a pin wants TLS");
}

/// Proves that a pin of the public key outlives the certificate, as OpenSSL computes it.
#[tokio::test]
async fn a_pin_may_be_of_the_public_key() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::self_signed(&["127.0.0.1"]);
    let tls = server(&identity, directory.path());
    let pipe = "openssl x509 -in certificate.pem -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -r";
    let output =
        std::process::Command::new("sh").args(["-c", pipe]).current_dir(directory.path()).output().unwrap();
    let Some(digest) = String::from_utf8(output.stdout)
        .unwrap()
        .split(' ')
        .next()
        .map(str::to_owned)
        .filter(|d| d.len() == 64)
    else {
        assert!(std::env::var_os("AFIELD_REQUIRE_TOOLS").is_none(), "openssl is required and is not there");
        eprintln!("skipped: there is no openssl");
        return;
    };
    let (address, _outcomes) = tls_listener(&tls, NoAuthentication).await;
    let mut config = DialConfig::new(format!("wss://{address}"));
    config.pins = vec![digest.parse().unwrap()];
    hello(&config).await.unwrap();
}
