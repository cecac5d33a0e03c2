use crate::support::rest;
use afield_testkit::origin::Ending;
use afield_testkit::tls::{ALERT_PROTOCOL_VERSION, Ca, Identity, Version, server_hello_tls10};
use afield_testkit::{Origin, RawOrigin, Script, within};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

async fn dial(
    config: rustls::ClientConfig,
    address: SocketAddr,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await.unwrap()).await
}

/// Proves that a good certificate is accepted by name and by address, and each bad one refused for its own reason.
#[tokio::test]
async fn certificates_are_as_good_or_bad_as_they_say() {
    let (ca, other) = (Ca::new(), Ca::new());
    let names = &["127.0.0.1", "::1", "good.test"];
    let cases = [
        (ca.issue(names), None),
        (ca.issue_expired(names), Some("Expired")),
        (ca.issue_not_yet_valid(names), Some("NotValidYet")),
        (ca.issue(&["else.test"]), Some("NotValidForName")),
        (other.issue(names), Some("UnknownIssuer")),
        (Identity::self_signed(names), Some("UnknownIssuer")),
    ];
    for (identity, wrong) in cases {
        let origin = Origin::builder().tls(identity.server().build()).start().await.unwrap();
        for name in ["good.test", "127.0.0.1"] {
            let dialled = dial(ca.client_config([]), origin.address(), name).await;
            match wrong {
                None => assert!(dialled.is_ok()),
                Some(wrong) => {
                    let error = dialled.unwrap_err();
                    let error = format!("{:?}", error.get_ref().unwrap());
                    assert!(error.contains(wrong), "{error}");
                    let ending = origin.connection(0).await.wait_closed().await;
                    assert!(matches!(ending, Ending::TlsFailed(_)));
                }
            }
        }
    }
    assert!(std::fs::read_to_string(ca.pem_file()).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
}

/// Proves that version, protocol, name and client certificate are agreed on as told, and recorded.
#[tokio::test]
async fn what_tls_agreed_on_is_recorded() {
    let ca = Ca::new();
    let server = ca.issue(&["good.test"]).server().only(Version::Tls12).demand_client_certificate(&ca);
    let origin = Origin::builder().tls(server.alpn(["http/1.1"]).build()).start().await.unwrap();
    let client = ca.issue_client("caller.test");
    let mut config =
        rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(ca.roots())
            .with_client_auth_cert(client.chain(), client.key())
            .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut stream = dial(config, origin.address(), "good.test").await.unwrap();
    stream.write_all(b"GET /status/200 HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(stream).await.starts_with(b"HTTP/1.1 200"));
    let info = origin.connection(0).await.tls().unwrap();
    assert_eq!((info.server_name.as_deref(), info.alpn.as_deref()), (Some("good.test"), Some("http/1.1")));
    assert_eq!((info.version.as_deref(), info.client_certificates), (Some("TLSv1_2"), 1));
}

/// Proves that under TLS a truncated end differs from a proper one, and that an old server's words are understood.
#[tokio::test]
async fn an_end_without_goodbye_is_a_truncation() {
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().build();
    for (script, truncated) in
        [(Script::new().send("x").truncate(), true), (Script::new().send("x").close(), false)]
    {
        let origin = RawOrigin::builder().tls(tls.clone()).otherwise(script).start().await.unwrap();
        let mut stream = dial(ca.client_config([]), origin.address(), "127.0.0.1").await.unwrap();
        let read = within("the end comes", stream.read_to_end(&mut Vec::new())).await;
        assert_eq!(read.is_err(), truncated);
    }
    for (words, reason) in
        [(ALERT_PROTOCOL_VERSION.to_vec(), "ProtocolVersion"), (server_hello_tls10(), "Tls12")]
    {
        let origin = RawOrigin::always(Script::new().expect_bytes(5).send(words).expect_end()).await;
        let error = dial(ca.client_config([]), origin.address(), "127.0.0.1").await.unwrap_err();
        let error = format!("{:?}", error.get_ref().unwrap());
        assert!(error.contains(reason), "{error}");
    }
}

/// Proves that HTTP/2 is served where it is negotiated, with the same routes and records.
#[tokio::test]
async fn http2_serves_the_same_routes() {
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2"]).build();
    let origin = Origin::builder().tls(tls).start().await.unwrap();
    let stream = dial(ca.client_config(["h2"]), origin.address(), "127.0.0.1").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let get = |path: &str| hyper::Request::get(origin.url(path)).body(Empty::<bytes::Bytes>::new()).unwrap();
    let echo =
        sender.send_request(get("/echo?x")).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let echo: serde_json::Value = serde_json::from_slice(&echo).unwrap();
    assert_eq!((&echo["version"], &echo["target"]), (&"HTTP/2".into(), &"/echo?x".into()));
    let held = sender.send_request(get("/sse-open")).await.unwrap();
    assert_eq!(origin.request(1).await.outcome(), None);
    drop(held);
    assert_eq!(origin.request(1).await.wait_ended().await, afield_testkit::origin::Outcome::Abandoned);
    assert_eq!(origin.accepted(), 1);
    drop(sender);
    within("the connection ends", connection).await.unwrap().unwrap();
    assert_eq!(origin.connection(0).await.wait_closed().await, Ending::PeerClosed);
}
