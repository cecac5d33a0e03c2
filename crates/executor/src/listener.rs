use crate::{
    config::StartError,
    executor::{Inner, serve},
};
use afield_transport::{Accepted, Acceptor, Authenticate};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

/// Accepts connections and owns them.
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    acceptor: Acceptor,
    connections: Arc<Semaphore>,
    unauthenticated: Arc<Semaphore>,
}

/// After an accept that failed for want of something (descriptors, memory), before the next.
const BACK_OFF: Duration = Duration::from_millis(100);

impl Listener {
    pub async fn bind(
        address: SocketAddr,
        authentication: Arc<dyn Authenticate>,
        allowed_hosts: Vec<String>,
        inner: &Inner,
    ) -> Result<Self, StartError> {
        let bound = async {
            let socket = TcpListener::bind(address).await?;
            let address = socket.local_addr()?;
            Ok::<_, io::Error>((socket, address))
        };
        let (socket, address) = bound.await.map_err(|error| StartError::Bind { address, error })?;
        let limits = inner.limits();
        Ok(Self {
            socket,
            address,
            acceptor: Acceptor::new(authentication, allowed_hosts, inner.readiness.clone(), limits),
            connections: Arc::new(Semaphore::new(limits.connections)),
            unauthenticated: Arc::new(Semaphore::new(limits.unauthenticated)),
        })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the executor is over, then until every connection has ended.
    pub async fn serve(self, inner: &Arc<Inner>) {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = inner.over.cancelled() => break,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => note_panic(ended),
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer, inner, &mut tasks),
                    Err(error) if is_of_one_connection(&error) => tracing::debug!(%error, "a connection failed before it was accepted"),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept connections for now");
                        tokio::time::sleep(BACK_OFF).await;
                    }
                },
            }
        }
        drop(self.socket);
        while let Some(ended) = tasks.join_next().await {
            note_panic(ended);
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, inner: &Arc<Inner>, tasks: &mut JoinSet<()>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let acceptor = self.acceptor.clone();
        let Ok(unauthenticated) = self.unauthenticated.clone().try_acquire_owned() else {
            tracing::warn!(%peer, "too many connections have not said who they are: one was closed at once");
            return;
        };
        match self.connections.clone().try_acquire_owned() {
            Ok(connection) => {
                tasks.spawn(connect(stream, peer, acceptor, inner.clone(), connection, unauthenticated));
            }
            Err(_) => {
                tracing::warn!(%peer, "too many connections: one was turned away");
                tasks.spawn(async move {
                    acceptor.turn_away(stream).await;
                    drop(unauthenticated);
                });
            }
        }
    }
}

async fn connect(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Acceptor,
    inner: Arc<Inner>,
    _connection: OwnedSemaphorePermit,
    unauthenticated: OwnedSemaphorePermit,
) {
    let accepted = tokio::select! {
        accepted = acceptor.accept(stream, peer) => accepted,
        () = inner.over.cancelled() => return,
    };
    drop(unauthenticated);
    match accepted {
        Ok(Accepted { connection, principal }) => serve(connection, inner, principal).await,
        Err(refused) => tracing::debug!(%refused, "refused a connection"),
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked");
    }
}
