use super::ClientCertificate;
use std::{fmt, net::SocketAddr, sync::Arc};

/// The other end of an accepted connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A process of this machine, as the kernel names it.
    Unix {
        /// Its effective user.
        uid: u32,
        /// Its number, where the kernel tells it.
        pid: Option<i32>,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A proxy that tells for whom it asks need not tell the port.
            Self::Tcp(address) if address.port() == 0 => address.ip().fmt(f),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { uid, pid: Some(pid) } => write!(f, "uid {uid}, process {pid}"),
            Self::Unix { uid, pid: None } => write!(f, "uid {uid}"),
        }
    }
}

/// What is known of a peer before it has said anything in HTTP.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Where it is: as what stands in front says, where that is believed.
    pub peer: Peer,
    /// The certificate it presented in the TLS handshake, of which that handshake has proved possession.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl From<Peer> for Arrival {
    fn from(peer: Peer) -> Self {
        Self { peer, certificate: None }
    }
}

impl From<SocketAddr> for Arrival {
    fn from(address: SocketAddr) -> Self {
        Peer::Tcp(address).into()
    }
}
