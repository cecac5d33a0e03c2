use crate::support::{accept_one, acceptor, echo, install_provider, message, soon, text};
use afield_transport::{
    BearerToken, Connection, DialConfig, DialError, NetStream, NoAuthentication, TokenDigest, dial,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

const TOKEN: &str = "canary-91c4";

/// How a TLS handshake begins.
const TLS_RECORD: &[u8] = &[22, 3];

/// Answers one connection with these bytes, once it has asked.
async fn answering(answer: impl AsRef<[u8]> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let asked = |request: &[u8]| request.ends_with(b"\r\n\r\n") || request.starts_with(TLS_RECORD);
        while !asked(&request) && stream.read_buf(&mut request).await.unwrap_or(0) > 0 {}
        let _ = stream.write_all(answer.as_ref()).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut request).await;
    });
    address
}

async fn failure(config: &DialConfig) -> DialError {
    soon(dial(config)).await.expect_err("this cannot be dialled")
}

/// A server with a certificate for `localhost`, and a client configuration that trusts it.
fn tls() -> (TlsAcceptor, Arc<ClientConfig>, Arc<ClientConfig>) {
    install_provider();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let trusting = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let doubting =
        ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    (TlsAcceptor::from(Arc::new(server.unwrap())), Arc::new(trusting), Arc::new(doubting))
}

/// Proves that dialling an executor with its token opens a WebSocket that carries messages, without delays.
#[tokio::test]
async fn dialling_with_the_token_opens_a_websocket() {
    for scheme in ["ws", "http"] {
        let (address, accepting) = accept_one(acceptor(TokenDigest::of(TOKEN))).await;
        let mut config = DialConfig::new(format!("{scheme}://{address}"));
        config.token = Some(BearerToken::new(TOKEN));
        let mut client = soon(dial(&config)).await.unwrap();
        assert!(client.stream().tcp().unwrap().nodelay().unwrap());
        tokio::spawn(echo(soon(accepting).await.unwrap().unwrap().connection));
        client.send_all(text("hello")).await.unwrap();
        assert_eq!(message(&mut client).await, text("hello"));
        client.close(1000, "");
        soon(client.closed()).await;
    }
}

/// Proves that TLS carries messages larger than its records, both ways, and that both ends close cleanly.
#[tokio::test]
async fn tls_carries_large_messages() {
    let (server, trusting, _) = tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (stream, peer) = listener.accept().await.unwrap();
        let stream = server.accept(stream).await.unwrap();
        echo(acceptor(NoAuthentication).accept(stream, peer).await.unwrap().connection).await;
    });
    let mut config = DialConfig::new(format!("wss://localhost:{port}"));
    config.tls = Some(trusting);
    let mut client = soon(dial(&config)).await.unwrap();
    assert!(matches!(client.stream(), NetStream::Tls(_)));
    let large = crate::support::binary(3_000_000);
    for _ in 0..3 {
        soon(client.send_all(large.clone())).await.unwrap();
        assert!(message(&mut client).await == large);
    }
    client.close(1000, "");
    soon(client.closed()).await;
    soon(serving).await.unwrap();
}

/// Proves that a server that is not trusted, or not TLS at all, is a TLS failure, and TLS dialled plainly is none of ours.
#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused() {
    let (server, trusting, doubting) = tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = server.accept(stream).await;
        }
    });
    for (url, roots) in [
        (format!("wss://localhost:{}", address.port()), &doubting),
        (format!("wss://127.0.0.1:{}", address.port()), &trusting),
    ] {
        let mut config = DialConfig::new(&url);
        config.tls = Some(roots.clone());
        let error = failure(&config).await;
        assert!(matches!(error, DialError::Tls { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    let plainly = failure(&DialConfig::new(format!("ws://{address}"))).await;
    assert!(matches!(plainly, DialError::NotWebSocket(_)), "{plainly:?}");
    serving.abort();

    let mut config =
        DialConfig::new(format!("wss://{}", answering("HTTP/1.1 400 Bad Request\r\n\r\n").await));
    config.tls = Some(trusting);
    assert!(matches!(failure(&config).await, DialError::Tls { .. }));
}

/// Proves that a refusal is told with its status, the start of its body and advice, and without the token.
#[tokio::test]
async fn a_refusal_is_told_with_status_and_body() {
    let (address, _accepting) = accept_one(acceptor(TokenDigest::of("another"))).await;
    let mut config = DialConfig::new(format!("ws://{address}"));
    config.token = Some(BearerToken::new(TOKEN));
    let error = failure(&config).await;
    let DialError::Refused { status: 401, body, .. } = &error else { panic!("{error:?}") };
    assert!(body.contains("not this executor's"), "{body}");
    assert!(error.to_string().ends_with("; check the token"), "{error}");
    assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");

    let endless = format!("HTTP/1.1 502 Bad Gateway\r\n\r\n{}", "\u{1b}".repeat(1_000_000));
    let error = failure(&DialConfig::new(format!("ws://{}", answering(endless).await))).await;
    let DialError::Refused { status: 502, body, .. } = &error else { panic!("{error:?}") };
    assert_eq!(body.len(), 1024);
    assert!(!error.to_string().contains('\u{1b}'), "a server's words are escaped");
}

/// Proves that an answer that only looks like an upgrade is not taken for one, and that none at all is told apart.
#[tokio::test]
async fn a_false_upgrade_is_refused() {
    let false_key = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let other = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    for answer in [false_key, other, "SSH-2.0-OpenSSH_9.6\r\n"] {
        let error = failure(&DialConfig::new(format!("ws://{}", answering(answer).await))).await;
        assert!(matches!(error, DialError::NotWebSocket(_)), "{answer:?}: {error:?}");
    }
    for answer in ["", "HTTP/1.1 101 Switch"] {
        let error = failure(&DialConfig::new(format!("ws://{}", answering(answer).await))).await;
        assert!(matches!(error, DialError::Dropped(_)), "{answer:?}: {error:?}");
    }
}

/// Proves that URLs that cannot or must not be dialled are refused before anything touches the network.
#[tokio::test]
async fn bad_urls_are_refused_without_a_connection() {
    for url in [
        "",
        "executor.test:80",
        "ftp://127.0.0.1/",
        "ws:///",
        "ws://127.0.0.1:0/",
        "ws://127.0.0.1:65536/",
        "ws://canary@127.0.0.1/",
        "ws://:canary@127.0.0.1/",
    ] {
        let error = failure(&DialConfig::new(url)).await;
        assert!(matches!(error, DialError::InvalidUrl(_)), "{url}: {error:?}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    assert!(matches!(failure(&DialConfig::new("wss://127.0.0.1:1/")).await, DialError::TlsNotConfigured));
    let mut config = DialConfig::new("ws://127.0.0.1:1/");
    config.token = Some(BearerToken::new("canary\r\nX: y"));
    assert!(matches!(failure(&config).await, DialError::InvalidToken));
}

/// Proves that a token does not leave this machine in the clear unless that is allowed expressly. The address is
/// never dialled: it is refused first.
#[tokio::test]
async fn a_token_is_not_sent_in_the_clear() {
    for url in ["ws://192.0.2.1:9/", "ws://[2001:db8::1]:9/"] {
        let mut config = DialConfig::new(url);
        config.token = Some(BearerToken::new(TOKEN));
        let error = failure(&config).await;
        assert!(matches!(error, DialError::PlaintextToken { .. }), "{error:?}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

/// Proves that nobody listening is a failure to connect.
#[tokio::test]
async fn nobody_listening_is_a_failure_to_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = failure(&DialConfig::new(format!("ws://{address}"))).await;
    assert!(matches!(error, DialError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

/// Proves that a server that accepts and never answers is given up at the timeout.
#[tokio::test]
async fn silence_ends_at_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = DialConfig::new(format!("ws://{}", listener.local_addr().unwrap()));
    config.connect_timeout = Duration::from_millis(200);
    assert!(matches!(failure(&config).await, DialError::Timeout { .. }));
    config.connect_timeout = Duration::MAX;
    let (address, _accepting) = accept_one(acceptor(NoAuthentication)).await;
    config.url = format!("ws://{address}");
    assert!(soon(dial(&config)).await.is_ok(), "a timeout without end is none");
}

/// Proves that path, query, `Host` and further headers reach the server.
#[tokio::test]
async fn path_query_and_headers_reach_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = DialConfig::new(format!("ws://{}/gate?x=1", listener.local_addr().unwrap()));
    config.headers.insert("x-gateway", "yes".parse().unwrap());
    let dialling = tokio::spawn(async move { dial(&config).await.map(drop) });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_buf(&mut request).await.unwrap();
    }
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("GET /gate?x=1 HTTP/1.1\r\n"), "{request}");
    for header in ["x-gateway: yes\r\n", "sec-websocket-version: 13\r\n", "upgrade: websocket\r\n"] {
        assert!(request.contains(header), "{request}");
    }
    assert!(request.contains(&format!("host: {}\r\n", listener.local_addr().unwrap())), "{request}");
    dialling.abort();
}
