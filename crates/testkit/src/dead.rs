//! Addresses that refuse or swallow connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A port that refuses every connection for as long as this lives: it is taken, but nobody listens.
#[derive(Debug)]
pub struct Refusing {
    socket: TcpSocket,
}

impl Refusing {
    /// Takes a port of `ip`, an address of loopback.
    ///
    /// # Panics
    ///
    /// When `ip` cannot be bound.
    pub fn on(ip: &str) -> Self {
        Self { socket: bind(ip).expect("the address is of this machine") }
    }

    /// The address that refuses.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("the socket is bound")
    }
}

/// A port whose connections are neither accepted nor refused: its backlog is full (on Linux).
#[derive(Debug)]
pub struct Blackhole {
    listener: TcpListener,
    filling: Vec<tokio::task::JoinHandle<io::Result<TcpStream>>>,
}

impl Blackhole {
    /// Takes a port of `ip`, an address of loopback, and fills its backlog.
    ///
    /// # Panics
    ///
    /// When `ip` cannot be bound.
    pub async fn on(ip: &str) -> Self {
        let listener = bind(ip).and_then(|socket| socket.listen(1)).expect("the address is of this machine");
        let address = listener.local_addr().expect("the socket is bound");
        let mut filling = Vec::new();
        // The system may hold one connection more than the backlog; all beyond wait for room that never comes.
        for index in 0..8 {
            let connecting = tokio::spawn(TcpStream::connect(address));
            filling.push(connecting);
            if index < 2 {
                while !filling[index].is_finished() {
                    tokio::task::yield_now().await;
                }
            }
        }
        Self { listener, filling }
    }

    /// The address that swallows.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("the socket is bound")
    }
}

impl Drop for Blackhole {
    fn drop(&mut self) {
        self.filling.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn bind(ip: &str) -> io::Result<TcpSocket> {
    let ip: IpAddr = ip.parse().map_err(io::Error::other)?;
    let socket = if ip.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(ip, 0))?;
    Ok(socket)
}
