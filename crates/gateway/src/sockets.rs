//! Where listening sockets come from.

use std::{io, net::SocketAddr};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted, at most.
const BACKLOG: u32 = 1024;

/// Who gives a gateway its sockets.
#[derive(Default)]
pub(crate) struct Sockets {
    /// Sockets that were listening before this process.
    inherited: Vec<std::net::TcpListener>,
    /// Whether others may listen beside those that it makes.
    shares: bool,
}

/// What becomes of connections that come once a listener accepts none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// Nobody answers them: who has connected by then is served.
    Refused,
    /// They wait: the socket was here before this process and stays, for whoever takes it up next.
    Waiting,
}

impl Sockets {
    pub fn new(inherited: Vec<std::net::TcpListener>, shares: bool) -> Self {
        Self { inherited, shares }
    }

    /// A socket that listens there: one that was handed to this process, else a new one.
    pub fn listen(&self, address: SocketAddr) -> io::Result<(TcpListener, Afterwards)> {
        let is_it = |given: &&std::net::TcpListener| given.local_addr().is_ok_and(|at| at == address);
        if let Some(given) = self.inherited.iter().find(is_it) {
            // The original stays with us, should the address be given up and wanted again.
            let given = given.try_clone()?;
            given.set_nonblocking(true)?;
            return Ok((TcpListener::from_std(given)?, Afterwards::Waiting));
        }
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // Connections that have ended a moment ago keep nobody from listening.
        socket.set_reuseaddr(true)?;
        if self.shares {
            socket.set_reuseport(true)?;
        }
        socket.bind(address)?;
        Ok((socket.listen(BACKLOG)?, Afterwards::Refused))
    }
}
