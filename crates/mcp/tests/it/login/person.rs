//! A person with a browser, who signs in wherever the page is.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use url::Url;

/// A browser that follows the page's redirect to the callback, as soon as it is shown the page.
#[derive(Clone, Default)]
pub struct Person {
    /// Where every name leads, if the person's network knows it from somewhere else.
    pub leads_to: Option<SocketAddr>,
    pub tasks: Arc<Mutex<JoinSet<String>>>,
}

impl afield_mcp::login::Browser for Person {
    fn open(&self, url: &Url) -> io::Result<()> {
        let (url, leads_to) = (url.clone(), self.leads_to);
        self.tasks.lock().unwrap().spawn(async move {
            let back = sign_in(&url, leads_to).await;
            let back = Url::parse(&back).unwrap();
            get(address(&back, None), &back).await
        });
        Ok(())
    }
}

impl Person {
    /// What the browser showed at the end.
    pub async fn saw(&self) -> String {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        tasks.join_next().await.unwrap().unwrap()
    }
}

/// Where the browser is sent from the page.
pub async fn sign_in(url: &Url, leads_to: Option<SocketAddr>) -> String {
    let answer = get(address(url, leads_to), url).await;
    let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
    location.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn address(url: &Url, leads_to: Option<SocketAddr>) -> SocketAddr {
    leads_to.unwrap_or_else(|| url.socket_addrs(|| None).unwrap()[0])
}

pub async fn get(address: SocketAddr, url: &Url) -> String {
    let authority = format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap());
    let target = &url[url::Position::BeforePath..];
    send(address, &format!("GET {target} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n")).await
}

/// Everything that comes back for these bytes.
pub async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
