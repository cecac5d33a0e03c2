//! Executors behind TLS.

use crate::support::{Running, config};
use afield_client::{ConnectError, HttpClient, Remote, RemoteConfig};
use afield_egress::CaPolicy;
use afield_exchange::{Kind, Request, Retry};
use afield_testkit::{
    Origin, Process,
    process::Command,
    tls::{Ca, Identity},
    within,
};
use afield_transport::{BearerToken, DialError};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

/// Ends TLS before an executor, as a reverse proxy does.
struct Terminator {
    address: SocketAddr,
    running: JoinHandle<()>,
}

impl Terminator {
    async fn start(identity: &Identity, executor: SocketAddr) -> Self {
        let acceptor = TlsAcceptor::from(identity.server().build());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let running = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(carry(acceptor.clone(), stream, executor));
            }
        });
        Self { address, running }
    }

    fn url(&self) -> String {
        format!("wss://{}", self.address)
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn carry(acceptor: TlsAcceptor, stream: TcpStream, executor: SocketAddr) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut executor = TcpStream::connect(executor).await?;
    tokio::io::copy_bidirectional(&mut stream, &mut executor).await?;
    Ok(())
}

struct Behind {
    ca: Ca,
    _executor: Running,
    terminator: Terminator,
}

async fn behind_tls() -> Behind {
    let ca = Ca::new();
    let executor = Running::start().await;
    let terminator = Terminator::start(&ca.issue(&["127.0.0.1"]), executor.address).await;
    Behind { ca, _executor: executor, terminator }
}

/// Proves that an executor behind TLS is reached by whoever trusts its authority, given as text or as a file, with a
/// token that is then no secret on the way.
#[tokio::test]
async fn a_private_authority_is_trusted_when_named() {
    let (origin, behind) = tokio::join!(Origin::start(), behind_tls());
    let pem = CaPolicy::Pem(Arc::from(behind.ca.pem().into_bytes()));
    let file = CaPolicy::File(behind.ca.pem_file().to_owned());
    for url in [behind.terminator.url(), behind.terminator.url().replace("wss:", "HTTPS:")] {
        for ca in [&pem, &file] {
            let token = Some(BearerToken::new("token"));
            let config = RemoteConfig { ca: ca.clone(), token, ..config(&url) };
            let remote = Remote::connect(config).await.unwrap();
            let answer = remote.call(Request::get(origin.url("/bytes/1000000"))).await.unwrap();
            assert_eq!(answer.body.len(), 1_000_000);
        }
    }
}

/// Proves that a certificate of another authority, or for another name, is refused, typed, not tried again, and that
/// nothing was executed.
#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused() {
    let behind = behind_tls().await;
    let trusted = CaPolicy::Pem(Arc::from(behind.ca.pem().into_bytes()));
    let other = CaPolicy::Pem(Arc::from(Ca::new().pem().into_bytes()));
    let misnamed = Terminator::start(&behind.ca.issue(&["other.test"]), behind._executor.address).await;
    for (url, ca) in [(behind.terminator.url(), other), (misnamed.url(), trusted)] {
        let config = RemoteConfig { ca, wait: true, ..config(url) };
        let error = Remote::connect(config.clone()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Dial(DialError::Tls { .. })), "{error:?}");
        assert!(error.to_string().contains("the executor's certificate is"), "{error}");
        let error = Remote::new(config).call(Request::get("http://127.0.0.1:1/")).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Safe));
    }
}

/// Proves that an authority's file that cannot be used is named.
#[tokio::test]
async fn an_unusable_file_of_authorities_is_named() {
    let ca = CaPolicy::File("/nonexistent/authority.pem".into());
    let error = Remote::connect(RemoteConfig { ca, ..config("wss://127.0.0.1:1") }).await.unwrap_err();
    assert!(matches!(error, ConnectError::Roots(_)), "{error:?}");
    assert!(error.to_string().contains("/nonexistent/authority.pem"), "{error}");
}

/// Proves that plain HTTP where TLS was expected, and the reverse, fail as what they are.
#[tokio::test]
async fn tls_where_none_is_expected_and_the_reverse() {
    let behind = behind_tls().await;
    let plain = behind._executor.url().replace("ws:", "wss:");
    let ca = CaPolicy::Pem(Arc::from(behind.ca.pem().into_bytes()));
    let config_of = |url: String| RemoteConfig { ca: ca.clone(), ..config(url) };
    let error = within("it fails", Remote::connect(config_of(plain))).await.unwrap_err();
    assert!(matches!(error, ConnectError::Dial(DialError::Tls { .. })), "{error:?}");
    let secure = behind.terminator.url().replace("wss:", "ws:");
    let error = within("it fails", Remote::connect(config_of(secure))).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Dial(DialError::NotWebSocket(_) | DialError::Dropped(_))),
        "{error:?}"
    );
}

const CHILD: &str = "AFIELD_TEST_EXECUTOR";

/// Proves that `AFIELD_CA_CERTIFICATE` names the authority for a process that configures none.
#[tokio::test]
async fn the_environment_names_the_authority() {
    let behind = behind_tls().await;
    let other = Ca::new();
    for (trusted, file) in [(true, behind.ca.pem_file()), (false, other.pem_file())] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "tls::child_that_connects", "--nocapture"]);
        command.env(CHILD, behind.terminator.url()).env("AFIELD_CA_CERTIFICATE", file);
        let mut child = Process::start(command).unwrap();
        assert_eq!(child.wait_exit().await.success(), trusted, "{}", child.stderr().text());
    }
}

/// Proves nothing by itself: it is the process that the test above starts.
#[tokio::test]
async fn child_that_connects() {
    if let Ok(url) = std::env::var(CHILD) {
        Remote::connect(config(url)).await.unwrap();
    }
}
