use crate::address::canonical;
use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, PoisonError, RwLock};

/// The addresses this process itself listens on. A request to one of them is denied, in whatever form the address is
/// written: it would loop. Cheap to clone; all clones share one set.
#[derive(Clone, Default)]
pub struct OwnListeners(Arc<RwLock<Vec<SocketAddr>>>);

impl OwnListeners {
    /// Adds a listener's local address, as the socket reports it after binding.
    pub fn insert(&self, listener: SocketAddr) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Removes a listener that has closed.
    pub fn remove(&self, listener: SocketAddr) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|other| *other != listener);
    }

    /// Tells whether any of the listeners has this port.
    pub fn has_port(&self, port: u16) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().any(|listener| listener.port() == port)
    }

    /// Whether connecting to this address and port would reach one of the listeners. A listener bound to the
    /// unspecified address is reached by every address of this machine.
    pub fn contains(&self, address: IpAddr, port: u16) -> bool {
        let address = canonical(address);
        let listeners = self.0.read().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().filter(|listener| listener.port() == port).any(|listener| {
            let bound = canonical(listener.ip());
            bound == address || (bound.is_unspecified() && is_local(address))
        })
    }
}

/// Whether `address` is one of this machine's: only those can be bound to.
fn is_local(address: IpAddr) -> bool {
    canonical(address).is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}

impl fmt::Debug for OwnListeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.read().unwrap_or_else(PoisonError::into_inner).iter()).finish()
    }
}
