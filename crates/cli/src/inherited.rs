//! Sockets that whoever started this process has opened for it, as systemd does (`LISTEN_FDS`): they listen before this process
//! runs and go on when it ends, so that a restart refuses nobody.

use listenfd::ListenFd;
use std::{
    net::{SocketAddr, TcpListener},
    sync::OnceLock,
};

/// The TCP sockets that were handed to this process. What else was handed to it is told, and left alone.
pub(crate) fn listeners() -> &'static [TcpListener] {
    static LISTENERS: OnceLock<Vec<TcpListener>> = OnceLock::new();
    LISTENERS.get_or_init(|| {
        let mut handed = ListenFd::from_env();
        let each = (0..handed.len()).map(|at| handed.take_tcp_listener(at).ok().flatten());
        let taken: Vec<_> = each.collect();
        for (at, _) in taken.iter().enumerate().filter(|(_, socket)| socket.is_none()) {
            tracing::warn!(
                socket = at,
                "a socket that was handed to this process is no TCP listener: it is not used"
            );
        }
        taken.into_iter().flatten().collect()
    })
}

/// Where they listen.
pub(crate) fn addresses() -> Vec<SocketAddr> {
    listeners().iter().filter_map(|socket| socket.local_addr().ok()).collect()
}

/// The sockets once more.
pub(crate) fn copies() -> Vec<TcpListener> {
    listeners().iter().filter_map(|socket| socket.try_clone().ok()).collect()
}
