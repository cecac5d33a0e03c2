//! Proxies on loopback that take every request to one place, whatever it names, and remember what it named.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A proxy that runs until it is dropped.
pub struct TestProxy {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Http,
    Socks5,
    /// SOCKS5 with `user` and `canary`.
    Socks5WithPassword,
}

impl TestProxy {
    /// One that leads every request to `to`.
    pub async fn start(speaks: Speaks, to: SocketAddr) -> Self {
        Self::serving(speaks, to, None).await
    }

    /// The same, inside TLS.
    pub async fn start_tls(to: SocketAddr, tls: Arc<ServerConfig>) -> Self {
        Self::serving(Speaks::Http, to, Some(tls.into())).await
    }

    async fn serving(speaks: Speaks, to: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut serving = JoinSet::new();
        let record = Arc::clone(&asked);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let record = Arc::clone(&record);
                let tls = tls.clone();
                connections.spawn(async move {
                    let _ = match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, speaks, to, &record).await,
                            Err(error) => Err(error),
                        },
                        None => serve(stream, speaks, to, &record).await,
                    };
                });
            }
        });
        Self { address, asked, _serving: serving }
    }

    /// What it was asked to connect to, `host:port`, or for, the request line; with the credentials behind.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut client: impl Stream,
    speaks: Speaks,
    to: SocketAddr,
    asked: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut early = Vec::new();
    if speaks == Speaks::Http {
        let head = head(&mut client).await?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let line = text.lines().next().unwrap_or_default().to_owned();
        let proxy_header =
            text.lines().find(|line| line.to_ascii_lowercase().starts_with("proxy-authorization"));
        asked
            .lock()
            .unwrap()
            .push(format!("{line}{}", proxy_header.map(|h| format!(" {h}")).unwrap_or_default()));
        match line.starts_with("CONNECT ") {
            true if line.contains("refused.test") => {
                return client.write_all(b"HTTP/1.1 502 No\r\n\r\n").await;
            }
            true if line.contains("demanding.test") => {
                return client.write_all(b"HTTP/1.1 407 No\r\n\r\n").await;
            }
            true => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?,
            false => early = head,
        }
    } else {
        let place = socks(&mut client, speaks).await?;
        asked.lock().unwrap().push(place);
    }
    let mut origin = TcpStream::connect(to).await?;
    origin.write_all(&early).await?;
    copy_bidirectional(&mut client, &mut origin).await?;
    Ok(())
}

async fn head(client: &mut impl Stream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    Ok(head)
}

/// The server's part of RFC 1928 and RFC 1929, up to the answer.
async fn socks(client: &mut impl Stream, speaks: Speaks) -> io::Result<String> {
    client.read_u8().await?;
    counted(client).await?;
    let mut credentials = String::new();
    if speaks == Speaks::Socks5WithPassword {
        client.write_all(&[5, 2]).await?;
        client.read_u8().await?;
        credentials = format!(" {} {}", counted(client).await?, counted(client).await?);
        client.write_all(&[1, 0]).await?;
    } else {
        client.write_all(&[5, 0]).await?;
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let host = match request[3] {
        1 => std::net::Ipv4Addr::from(client.read_u32().await?).to_string(),
        4 => std::net::Ipv6Addr::from(client.read_u128().await?).to_string(),
        _ => counted(client).await?,
    };
    let port = client.read_u16().await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    Ok(format!("{host}:{port}{credentials}"))
}

/// As many bytes as the first one says.
async fn counted(client: &mut impl Stream) -> io::Result<String> {
    let mut bytes = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
