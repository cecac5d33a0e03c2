use crate::{
    audit::AuditEvent,
    config::{Config, Listen, StartError},
    doorstep::{Doorstep, Place},
    executor::{Inner, Served, serve},
};
use afield_exchange::Limits;
use afield_transport::{AcceptOptions, Accepted, Acceptor, Incoming, Refused, ServerTls, Socket};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::Instant,
};
use tracing::Instrument;

/// Accepts connections and owns them.
pub(crate) struct Listener {
    socket: Socket,
    tls: Option<Arc<ServerTls>>,
    acceptor: Acceptor,
    connections: Arc<Semaphore>,
    doorstep: Arc<Doorstep>,
}

/// After an accept that failed for want of something (descriptors, memory), before the next.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Connections beyond the limit that are being told so at one time; others are closed at once.
const TURNED_AWAY: usize = 64;

impl Listener {
    /// Binds. `None` where there is nothing to bind.
    pub async fn bind(config: Config, inner: &Inner) -> Result<Option<Self>, StartError> {
        let socket = match config.listen {
            Listen::Stdio => return Ok(None),
            Listen::Ws(address) => {
                let is_it = |given: &std::net::TcpListener| given.local_addr().is_ok_and(|at| at == address);
                let socket = match config.inherited.into_iter().find(is_it) {
                    Some(given) => Socket::inherited(given),
                    None => Socket::tcp(address).await,
                };
                let socket = socket.map_err(|error| StartError::Bind { address, error })?;
                socket.with_proxy_protocol(config.proxy_protocol)
            }
            Listen::Unix(path) => Socket::unix(&path, config.allowed_users)
                .await
                .map_err(|error| StartError::BindUnix { path, error })?,
        };
        let (limits, readiness) = (inner.limits(), inner.readiness.clone());
        let shares = inner.shares.clone();
        let options = AcceptOptions {
            trusted_proxies: config.trusted_proxies,
            places: Some(Arc::new(move |principal| shares.of(principal).connections.take(1).ok())),
        };
        // Before initialize the peer has said nothing that would need more.
        let at_first = Limits { message_bytes: limits.first_message_bytes, ..limits.clone() };
        Ok(Some(Self {
            socket,
            tls: config.tls,
            acceptor: Acceptor::with_options(
                config.authentication,
                config.allowed_hosts,
                readiness,
                &at_first,
                options,
            ),
            // Whoever has not said who it is takes no place of those who have.
            connections: Arc::new(Semaphore::new(limits.connections.saturating_add(limits.unauthenticated))),
            doorstep: Doorstep::new(limits.unauthenticated),
        }))
    }

    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.address()
    }

    /// Where orchestrators connect to.
    pub fn url(&self) -> String {
        match (self.socket.address(), self.socket.path()) {
            (Some(address), _) if self.tls.is_some() => format!("wss://{address}"),
            (Some(address), _) => format!("ws://{address}"),
            (None, path) => format!("unix:{}", path.unwrap_or_default().display()),
        }
    }

    /// Serves until the executor is over, then until every connection has ended.
    pub async fn serve(self, inner: &Arc<Inner>) {
        let mut tasks = JoinSet::new();
        let mut turned_away = JoinSet::new();
        loop {
            tokio::select! {
                () = inner.over.cancelled() => break,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => note_panic(ended),
                Some(_) = turned_away.join_next(), if !turned_away.is_empty() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok(incoming) => self.admit(incoming, inner, &mut tasks, &mut turned_away),
                    Err(error) if is_of_one_connection(&error) => tracing::debug!(%error, "a connection failed before it was accepted"),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept connections for now");
                        self.doorstep.clear();
                        tokio::time::sleep(BACK_OFF).await;
                    }
                },
            }
        }
        drop(self.socket);
        drop(turned_away);
        while let Some(ended) = tasks.join_next().await {
            note_panic(ended);
        }
    }

    fn admit(
        &self,
        incoming: Incoming,
        inner: &Arc<Inner>,
        tasks: &mut JoinSet<()>,
        turned_away: &mut JoinSet<()>,
    ) {
        let peer = incoming.peer();
        let Ok(connection) = self.connections.clone().try_acquire_owned() else {
            tracing::warn!(%peer, "too many connections: one was turned away");
            let (reason, status) = ("too_many_connections", Some(503));
            inner.audit.record(&AuditEvent::Refused { peer: &peer, reason, status, came: None });
            // In the middle of a TLS handshake there is nothing that could be said.
            if self.tls.is_none() && turned_away.len() < TURNED_AWAY {
                let acceptor = self.acceptor.clone();
                turned_away.spawn(async move { acceptor.turn_away(incoming.into_plain()).await });
            }
            return;
        };
        let (place, full) = self.doorstep.stand(&peer);
        if full {
            tracing::debug!(%peer, "too many connections have not said who they are: one was closed");
        }
        let arriving =
            Arriving { incoming, tls: self.tls.clone(), acceptor: self.acceptor.clone(), connection, place };
        tasks.spawn(arriving.connect(inner.clone()));
    }
}

/// A connection of which nothing is known yet.
struct Arriving {
    incoming: Incoming,
    tls: Option<Arc<ServerTls>>,
    acceptor: Acceptor,
    connection: OwnedSemaphorePermit,
    place: Place,
}

impl Arriving {
    async fn connect(self, inner: Arc<Inner>) {
        let Self { incoming, tls, acceptor, connection, place } = self;
        let peer = incoming.peer();
        let refused = |peer, reason, status, came| {
            inner.audit.record(&AuditEvent::Refused { peer: &peer, reason, status, came })
        };
        let letting_in = async {
            // A deadline beyond what the clock can express is as good as a day.
            let now = Instant::now();
            let by = now.checked_add(acceptor.handshake()).unwrap_or(now + Duration::from_secs(86_400));
            let (stream, arrival) = incoming.secure(tls.as_deref(), by).await?;
            acceptor.accept_by(stream, arrival, by).await
        };
        let let_in: Result<Accepted<_>, Refused> = tokio::select! {
            let_in = letting_in => let_in,
            () = place.sent_away() => return refused(peer, "too_many_unauthenticated", None, None),
            () = inner.over.cancelled() => return,
        };
        drop(place);
        match let_in {
            Ok(Accepted { connection: websocket, grant, peer, place }) => {
                let (principal, authorization) = (grant.principal.clone(), grant.authorization.clone());
                inner.audit.record(&AuditEvent::Admitted { peer: &peer, principal: &principal });
                let span = tracing::debug_span!("connection", %peer, %principal);
                let serving = serve(websocket, inner.clone(), grant);
                let Served { reason, lingering, .. } = serving.instrument(span).await;
                inner.audit.record(&AuditEvent::Ended { peer: &peer, principal: &principal, reason });
                drop((connection, place));
                if let Some(session) = lingering {
                    session.linger(&inner, &authorization).await;
                }
            }
            Err(Refused { reason: afield_transport::RefusedReason::Probe, .. }) => {}
            Err(why) => {
                // What a proxy in front has done to the request is its operator's to mend: said without being asked for.
                match why.reason.came() {
                    Some(_) => tracing::info!(%why, "refused a connection"),
                    None => tracing::debug!(%why, "refused a connection"),
                }
                refused(why.peer, why.reason.code(), why.reason.status(), why.reason.came());
            }
        }
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
