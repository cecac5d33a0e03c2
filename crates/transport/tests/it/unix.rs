//! Unix sockets, listened on and dialled.

use crate::{
    listen::serve,
    support::{acceptor, message, soon, text},
};
use afield_transport::{
    BearerToken, Connection, DialConfig, DialError, NetStream, NoAuthentication, Socket, TokenDigest, dial,
};
use std::{
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("executor.sock");
    (directory, path)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Proves that a process of the same user is let in, by every form of the URL, with or without a token, that messages go
/// through, and that it is named by its user.
#[tokio::test]
async fn a_process_of_the_same_user_is_let_in() {
    let (_directory, path) = place();
    let socket = Socket::unix(&path, Vec::new()).await.unwrap();
    assert_eq!((mode(&path), socket.path().unwrap()), (0o600, path.clone()));
    let mut outcomes = serve(socket, None, acceptor(NoAuthentication));
    let path = path.display();
    for url in
        [format!("unix:{path}"), format!("unix://{path}"), format!("ws+unix:{path}"), format!("UNIX:{path}")]
    {
        let mut config = DialConfig::new(&url);
        config.token = Some(BearerToken::new("a token does not leave this machine"));
        let mut client = soon(dial(&config)).await.unwrap();
        assert!(matches!(client.stream(), NetStream::Unix(_)) && client.stream().tcp().is_none());
        client.send_all(text("hello")).await.unwrap();
        assert_eq!(message(&mut client).await, text("hello"));
        let grant = soon(outcomes.recv()).await.unwrap().unwrap();
        assert_eq!(grant.principal.name(), format!("uid:{}", rustix::process::geteuid().as_raw()));
    }
}

/// Proves that a token is asked for on a Unix socket too, where one is.
#[tokio::test]
async fn a_token_is_asked_for_there_too() {
    let (_directory, path) = place();
    let socket = Socket::unix(&path, vec![12_345]).await.unwrap();
    assert_eq!(mode(&path), 0o666, "other users are told apart by the kernel's word");
    let mut outcomes = serve(socket, None, acceptor(TokenDigest::of("secret")));
    let mut config = DialConfig::new(format!("unix:{}", path.display()));
    assert!(matches!(soon(dial(&config)).await, Err(DialError::Refused { status: 401, .. })));
    assert_eq!(soon(outcomes.recv()).await.unwrap().unwrap_err().reason.code(), "credential_missing");
    config.token = Some(BearerToken::new("secret"));
    soon(dial(&config)).await.unwrap();
}

/// Proves that a socket on which nobody listens any more is replaced, that one on which somebody does and a file that is
/// none are left alone, and that the file goes with its listener, unless another has taken its place.
#[tokio::test]
async fn only_a_stale_socket_is_replaced() {
    let (_directory, path) = place();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "it was left behind");
    let first = Socket::unix(&path, Vec::new()).await.unwrap();
    assert_eq!(Socket::unix(&path, Vec::new()).await.unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(first);
    assert!(!path.exists());

    std::fs::write(&path, "something").unwrap();
    assert_eq!(Socket::unix(&path, Vec::new()).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "something");
    std::fs::remove_file(&path).unwrap();

    let socket = Socket::unix(&path, Vec::new()).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "another's").unwrap();
    drop(socket);
    assert!(path.exists());
}

/// Proves that nobody there, no path, and what a Unix socket cannot have, are told.
#[tokio::test]
async fn what_cannot_be_dialled_is_told() {
    let (_directory, path) = place();
    let url = format!("unix:{}", path.display());
    let error = soon(dial(&DialConfig::new(&url))).await.unwrap_err();
    assert!(matches!(error, DialError::Connect { .. }) && error.to_string().contains(&url), "{error}");
    assert!(matches!(soon(dial(&DialConfig::new("unix:"))).await, Err(DialError::InvalidUrl(_))));
    let mut config = DialConfig::new(&url);
    config.proxy = Some(afield_transport::Proxy::parse("http://127.0.0.1:9").unwrap());
    assert!(matches!(soon(dial(&config)).await, Err(DialError::InvalidUrl(_))));
}
