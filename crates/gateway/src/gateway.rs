use crate::{
    access::Access,
    config::{Config, StartError},
    connection,
    opening::Openings,
    own::Own,
    route::{Route, Routes},
};
use afield_client::HttpClient;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

/// A gateway that is bound and about to run.
pub struct Gateway {
    socket: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    connections: Arc<Semaphore>,
    grace: Duration,
}

/// What every connection of a gateway shares.
pub(crate) struct Shared {
    pub access: Access,
    pub routes: Routes,
    pub proxy: Option<Arc<dyn HttpClient>>,
    pub own: Own,
    pub openings: Openings,
    pub head_timeout: Duration,
    pub head_bytes: usize,
    /// Cancelled when no further requests are taken.
    pub draining: CancellationToken,
    /// Cancelled when the grace is over.
    pub over: CancellationToken,
}

/// After an accept that failed for want of something (descriptors, memory), before the next.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Said to a connection beyond the limit.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nafield-error: overloaded\r\nretry-after: 1\r\n\
    connection: close\r\ncontent-length: 0\r\n\r\n";

impl Gateway {
    /// Checks the configuration and binds. Nothing is served before [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// An address that other machines can reach, unless that is allowed and there is a token; an address that cannot be bound;
    /// two routes of one name.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let wanted = config.listen;
        let may_be_exposed = config.exposed && config.token.is_some();
        if !wanted.ip().is_loopback() && !may_be_exposed {
            return Err(StartError::Exposed(wanted));
        }
        let access = Access::new(&config);
        let routes = Routes::new(config.routes)?;
        let bound = async {
            let socket = TcpListener::bind(wanted).await?;
            let address = socket.local_addr()?;
            Ok::<_, io::Error>((socket, address))
        };
        let (socket, address) = bound.await.map_err(|error| StartError::Bind { address: wanted, error })?;
        let shared = Shared {
            access,
            routes,
            proxy: config.proxy,
            own: Own::new(config.own_listeners, address, &config.allowed_hosts),
            openings: Openings::default(),
            head_timeout: config.head_timeout,
            head_bytes: config.head_bytes,
            draining: CancellationToken::new(),
            over: CancellationToken::new(),
        };
        let connections = Arc::new(Semaphore::new(config.connections.min(Semaphore::MAX_PERMITS)));
        Ok(Self { socket, address, shared: Arc::new(shared), connections, grace: config.grace })
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The routes, in the order of their names.
    pub fn routes(&self) -> Vec<&Route> {
        self.shared.routes.sorted()
    }

    /// Serves until `stop` is cancelled, then drains: no connection is accepted any more, idle ones close, active requests
    /// may finish for the grace. What is then still active is broken off, as its callers will notice.
    ///
    /// Dropping the future ends everything at once.
    pub async fn run(self, stop: CancellationToken) {
        let Self { socket, shared, connections, grace, .. } = self;
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => note_panic(ended),
                accepted = socket.accept() => match accepted {
                    Ok((stream, _)) => admit(stream, &shared, &connections, &mut tasks),
                    Err(error) if is_of_one_connection(&error) => {
                        tracing::debug!(%error, "a connection failed before it was accepted");
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept connections for now");
                        tokio::time::sleep(BACK_OFF).await;
                    }
                },
            }
        }
        drop(socket);
        tracing::info!(connections = tasks.len(), "draining");
        shared.draining.cancel();
        if tokio::time::timeout(grace, all(&mut tasks)).await.is_err() {
            tracing::warn!(connections = tasks.len(), "the grace is over: breaking off");
            shared.over.cancel();
            all(&mut tasks).await;
        }
    }
}

fn admit(stream: TcpStream, shared: &Arc<Shared>, connections: &Arc<Semaphore>, tasks: &mut JoinSet<()>) {
    let Ok(permit) = connections.clone().try_acquire_owned() else {
        tracing::warn!("too many connections: one was turned away");
        // A connection that was just accepted has room for it; whoever does not get it sees a closed connection.
        let _ = stream.try_write(FULL);
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let shared = shared.clone();
    tasks.spawn(async move {
        connection::serve(stream, shared).await;
        drop(permit);
    });
}

async fn all(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        note_panic(ended);
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn note_panic(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("a connection's task panicked");
    }
}
