//! An executor behind an HTTP proxy.

use crate::{
    listen::tls_listener,
    support::{message, soon, text},
};
use afield_testkit::tls::Ca;
use afield_transport::{BearerToken, Connection, DialConfig, DialError, Proxy, ServerTls, TokenDigest, dial};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// A proxy that answers every request with this, and, if that is a success, makes the tunnel. It says what it was asked.
async fn proxy(answer: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (say, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let target = head.split(' ').nth(1).unwrap().replace("executor.test", "127.0.0.1");
            say.send(head).unwrap();
            let _ = client.write_all(answer.as_bytes()).await;
            if answer.starts_with("HTTP/1.1 2") && answer.ends_with("\r\n\r\n") {
                let mut server = TcpStream::connect(target).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
            } else {
                let _ = client.shutdown().await;
                let _ = client.read_to_end(&mut Vec::new()).await;
            }
        }
    });
    (address, asked)
}

/// Proves that an executor is reached through a proxy by a name that only the proxy knows, with TLS to the executor itself,
/// and that the proxy gets its credentials and not the token.
#[tokio::test]
async fn an_executor_is_reached_through_a_proxy() {
    let (ca, directory) = (Ca::new(), tempfile::tempdir().unwrap());
    let (certificate, key) = ca.issue(&["executor.test"]).write_to(directory.path()).unwrap();
    let tls = Arc::new(ServerTls::new(certificate, key, None).unwrap());
    let acceptor = TokenDigest::of("secret");
    let socket = afield_transport::Socket::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
    let port = socket.address().unwrap().port();
    let hosts = ["executor.test"];
    let limits = afield_exchange::Limits::default();
    let acceptor =
        afield_transport::Acceptor::new(acceptor, hosts, afield_transport::Readiness::new(), &limits);
    let _outcomes = crate::listen::serve(socket, Some(tls), acceptor);
    let (address, mut asked) =
        proxy("HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n").await;
    for (url, credentials) in [
        (format!("http://{address}"), None),
        (format!("http://user:p%40ss@{address}"), Some("Basic dXNlcjpwQHNz")),
    ] {
        let mut config = DialConfig::new(format!("wss://executor.test:{port}"));
        config.tls = Some(Arc::new(ca.client_config([])));
        config.token = Some(BearerToken::new("secret"));
        config.proxy = Some(Proxy::parse(&url).unwrap());
        let mut client = soon(dial(&config)).await.unwrap();
        client.send_all(text("hello")).await.unwrap();
        assert_eq!(message(&mut client).await, text("hello"));
        let head = asked.recv().await.unwrap();
        assert!(head.starts_with(&format!("CONNECT executor.test:{port} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains(&format!("host: executor.test:{port}\r\n")), "{head}");
        let sent = head.lines().find_map(|line| line.strip_prefix("proxy-authorization: "));
        assert_eq!(sent, credentials);
        assert!(!head.contains("secret"), "{head}");
    }
}

/// Proves that what a proxy refuses is told, with the proxy's name and what to do, and without its credentials.
#[tokio::test]
async fn what_a_proxy_refuses_is_told_without_credentials() {
    for (answer, why) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "does not accept"),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "403"),
        ("HTTP/1.1 200 OK\r\n\r\ntoo early", "before it was asked"),
        ("220 smtp.test\r\n", "made no tunnel"),
        ("", "made no tunnel"),
    ] {
        let (address, _asked) = proxy(answer).await;
        let mut config = DialConfig::new("ws://executor.test:1");
        config.proxy = Some(Proxy::parse(&format!("http://canary:canary@{address}")).unwrap());
        let error = soon(dial(&config)).await.unwrap_err();
        assert!(matches!(error, DialError::Proxy { .. }), "{error:?}");
        let text = format!("{error} {error:?} {config:?}");
        assert!(text.contains(why) && text.contains(&address.to_string()), "{why}: {text}");
        assert!(!text.contains("canary"), "{text}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut config = DialConfig::new("ws://127.0.0.1:1");
    config.proxy = Some(Proxy::parse(&format!("http://{nobody}")).unwrap());
    assert!(matches!(soon(dial(&config)).await, Err(DialError::Proxy { .. })));
    config.token = Some(BearerToken::new("canary"));
    let error = soon(dial(&config)).await.unwrap_err();
    assert!(matches!(error, DialError::PlaintextToken { .. }), "the proxy would read it: {error:?}");
}

/// Proves that the certificate is checked against the executor's name, and not the proxy's.
#[tokio::test]
async fn tls_is_with_the_executor_and_not_with_the_proxy() {
    let (ca, directory) = (Ca::new(), tempfile::tempdir().unwrap());
    let (certificate, key) = ca.issue(&["127.0.0.1"]).write_to(directory.path()).unwrap();
    let tls = Arc::new(ServerTls::new(certificate, key, None).unwrap());
    let (server, _outcomes) = tls_listener(&tls, afield_transport::NoAuthentication).await;
    let (address, _asked) = proxy("HTTP/1.1 200 OK\r\n\r\n").await;
    let mut config = DialConfig::new(format!("wss://executor.test:{}", server.port()));
    config.tls = Some(Arc::new(ca.client_config([])));
    config.proxy = Some(Proxy::parse(&format!("http://{address}")).unwrap());
    assert!(matches!(soon(dial(&config)).await, Err(DialError::Tls { .. })));
}
