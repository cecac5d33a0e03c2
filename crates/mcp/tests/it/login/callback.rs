use super::{World, person};
use afield_mcp::login::LoginError;
use std::{net::SocketAddr, time::Duration};
use url::Url;

/// Proves that the listener takes the one answer it waits for: other hosts, paths, methods and states are refused, change
/// nothing, and learn nothing.
#[tokio::test]
async fn only_the_answer_is_taken() {
    let world = World::start().await;
    let (shown, mut pages) = tokio::sync::mpsc::unbounded_channel();
    let browser = move |url: &Url| {
        shown.send(url.clone()).unwrap();
        Ok(())
    };
    let login = world.login();
    let person = async {
        let page = pages.recv().await.unwrap();
        let back = Url::parse(&person::sign_in(&page, None).await).unwrap();
        let port = back.port().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let query = back.query().unwrap();
        let host = format!("host: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
        for (request, status) in [
            (
                format!(
                    "GET /callback?{query} HTTP/1.1\r\nhost: evil.example:{port}\r\nconnection: close\r\n\r\n"
                ),
                403,
            ),
            (
                format!("GET /callback?{query} HTTP/1.1\r\nhost: 127.0.0.1:1\r\nconnection: close\r\n\r\n"),
                403,
            ),
            (format!("GET /other?{query} HTTP/1.1\r\n{host}"), 404),
            (format!("POST /callback?{query} HTTP/1.1\r\ncontent-length: 0\r\n{host}"), 405),
            (format!("GET /callback?code=stolen&state=guessed HTTP/1.1\r\n{host}"), 400),
            (format!("GET /callback?error=access_denied HTTP/1.1\r\n{host}"), 400),
            (format!("GET /callback HTTP/1.1\r\n{host}"), 400),
            ("nonsense\r\n\r\n".to_owned(), 400),
        ] {
            let answer = person::send(address, &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
            assert!(!answer.contains("canary"), "{answer}");
        }
        let answer = person::get(address, &back).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("no-store"), "{answer}");
        address
    };
    let (got, address) = tokio::join!(login.in_browser(&browser, &|_| {}), person);
    got.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it listens no more");
}

/// Proves that a login nobody answers ends, and that one that is dropped listens no more.
#[tokio::test]
async fn a_login_that_nobody_answers_ends() {
    let world = World::start().await;
    let nobody = |_: &Url| Ok(());
    let login = world.login().with_patience(Duration::from_millis(1));
    let error = login.in_browser(&nobody, &|_| {}).await.unwrap_err();
    assert!(matches!(error, LoginError::TimedOut(_)), "{error}");

    let (shown, mut pages) = tokio::sync::mpsc::unbounded_channel();
    let browser = move |url: &Url| {
        shown.send(url.clone()).unwrap();
        Ok(())
    };
    let login = world.login();
    let page = tokio::select! {
        done = login.in_browser(&browser, &|_| {}) => panic!("{done:?}"),
        page = pages.recv() => page.unwrap(),
    };
    let back = page.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    let port = Url::parse(&back).unwrap().port().unwrap();
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
}
