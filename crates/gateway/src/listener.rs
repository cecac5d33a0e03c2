//! A socket of the gateway's, and the connections that come by it.

use crate::{
    connection,
    live::Live,
    shared::Shared,
    sockets::{Afterwards, Sockets},
};
use afield_egress::OwnListeners;
use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field};

/// What a connection came in by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// The gateway's listener: all routes that have no origin of their own, and hosts that are a route's own.
    Main,
    /// The listener of the route of this name, and of nothing else.
    Route(Arc<str>),
}

/// A listener that is bound. The address is known as the process's own for as long as this lives.
#[derive(Clone)]
pub(crate) struct Listener(Arc<Inner>);

struct Inner {
    /// As it was asked for: port 0 is any.
    wanted: SocketAddr,
    address: SocketAddr,
    entrance: Mutex<Entrance>,
    own_listeners: OwnListeners,
    afterwards: Afterwards,
    /// Cancelled when no connection is to be accepted any more.
    closed: CancellationToken,
}

impl Listener {
    pub fn bind(
        wanted: SocketAddr,
        entrance: Entrance,
        own_listeners: OwnListeners,
        sockets: &Sockets,
    ) -> io::Result<(Self, TcpListener)> {
        let (socket, afterwards) = sockets.listen(wanted)?;
        let address = socket.local_addr()?;
        own_listeners.insert(address);
        let entrance = Mutex::new(entrance);
        let closed = CancellationToken::new();
        let inner = Inner { wanted, address, entrance, own_listeners, afterwards, closed };
        Ok((Self(Arc::new(inner)), socket))
    }

    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub fn entrance(&self) -> Entrance {
        self.0.entrance.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells whether it can serve as the listener that is asked for here.
    pub fn serves_as(&self, wanted: SocketAddr, entrance: &Entrance) -> bool {
        self.0.wanted == wanted && (wanted.port() != 0 || self.entrance() == *entrance)
    }

    /// Connections that come from now on are of this entrance.
    pub fn lead_to(&self, entrance: Entrance) {
        *self.0.entrance.lock().unwrap_or_else(PoisonError::into_inner) = entrance;
    }

    /// Accepts no connection any more. Those there are go on.
    pub fn close(&self) {
        self.0.closed.cancel();
    }

    /// Accepts connections and serves them, until it is closed or the gateway drains; returns when the last has ended.
    pub async fn run(self, socket: TcpListener, shared: Arc<Shared>) {
        let mut connections = JoinSet::new();
        let mut enough = pin!(self.has_accepted_enough(&shared));
        loop {
            tokio::select! {
                () = enough.as_mut() => break,
                () = self.0.closed.cancelled() => break,
                Some(ended) = connections.join_next(), if !connections.is_empty() => note_panic(ended),
                accepted = socket.accept() => match accepted {
                    Ok((stream, _)) => self.admit(stream, &shared, &mut connections),
                    Err(error) if is_of_one_connection(&error) => {
                        tracing::debug!(%error, "a connection failed before it was accepted");
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept connections for now");
                        sleep(BACK_OFF).await;
                    }
                },
            }
        }
        if self.0.afterwards == Afterwards::Refused {
            self.take_in(socket, &shared, &mut connections);
        }
        while let Some(ended) = connections.join_next().await {
            note_panic(ended);
        }
    }

    /// Waits until the gateway drains. Connections to a socket that stays then wait for the next gateway: as short as possible,
    /// and so not before what this one has begun is over.
    async fn has_accepted_enough(&self, shared: &Shared) {
        shared.draining.cancelled().await;
        if self.0.afterwards == Afterwards::Waiting {
            let served = async { tokio::join!(sleep(shared.linger), shared.began_early.wait()) };
            tokio::select! {
                _ = served => {}
                () = shared.over.cancelled() => {}
            }
        }
    }

    /// Admits who has connected by now: the end of the socket would be theirs, too.
    fn take_in(&self, socket: TcpListener, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
        let Ok(socket) = socket.into_std() else { return };
        loop {
            let stream = socket.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(true)?;
                TcpStream::from_std(stream)
            });
            match stream {
                Ok(stream) => self.admit(stream, shared, connections),
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => return,
            }
        }
    }

    fn admit(&self, stream: TcpStream, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
        let Ok(permit) = shared.connections.clone().try_acquire_owned() else {
            tracing::warn!("too many connections: one was turned away");
            // A connection that was just accepted has room for it; whoever does not get it sees a closed connection.
            let _ = stream.try_write(FULL);
            return;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let (shared, entrance) = (shared.clone(), self.entrance());
        connections.spawn(async move {
            let span = tracing::debug_span!("connection", peer = stream.peer_addr().ok().map(field::display));
            connection::serve(stream, shared, entrance).instrument(span).await;
            drop(permit);
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.own_listeners.remove(self.address);
    }
}

/// The listeners that a configuration asks for: the gateway's own first.
pub(crate) fn wanted(listen: SocketAddr, live: &Live) -> Vec<(SocketAddr, Entrance)> {
    let own = live.routes.own_listeners().map(|(name, address)| (address, Entrance::Route(name.into())));
    std::iter::once((listen, Entrance::Main)).chain(own).collect()
}

/// After an accept that failed for want of something (descriptors, memory), before the next.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Said to a connection beyond the limit.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nafield-error: overloaded\r\nretry-after: 1\r\n\
    connection: close\r\ncontent-length: 0\r\n\r\n";

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

pub(crate) fn note_panic(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("a task of the gateway panicked");
    }
}
