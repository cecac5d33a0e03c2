use crate::{
    config::{Config, StartError},
    listener::{self, Entrance, Listener, note_panic},
    live::Live,
    shared::{Fixed, Shared},
    sockets::Sockets,
};
use afield_egress::OwnListeners;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// A gateway that is bound and about to run.
pub struct Gateway {
    handle: Handle,
    address: SocketAddr,
    added: mpsc::UnboundedReceiver<(Listener, TcpListener)>,
    grace: Duration,
}

/// Replaces the configuration of a gateway while it runs. Clones lead to the same gateway.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

/// Where a route is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The route's name.
    pub name: String,
    /// Where programs find it: `http://…`.
    pub at: String,
    /// The server's URL as it may be shown: without userinfo and query.
    pub leads_to: String,
}

impl Gateway {
    /// Checks the configuration and binds. Nothing is served before [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// An address that other machines can reach, unless that is allowed and there is a token; an address that cannot be bound;
    /// two routes of one name, or with one origin.
    pub async fn bind(mut config: Config) -> Result<Self, StartError> {
        let (wanted, own_listeners, grace) = (config.listen, config.own_listeners.clone(), config.grace);
        let fixed = Fixed::of(&mut config);
        let mut live = Live::new(config)?;
        let opened = Opened::of(&[], listener::wanted(wanted, &live), &own_listeners, &fixed.sockets)?;
        live.access.listens(&opened.all);
        let address = opened.all.first().map_or(wanted, |(main, _)| main.address());
        let (adding, added) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(live, fixed, adding));
        opened.take_over(&mut *shared.listeners.lock().await, &shared);
        Ok(Self { handle: Handle(shared), address, added, grace })
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What replaces its configuration.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until `stop` is cancelled, then drains: no connection is accepted any more, idle ones close, active requests
    /// may finish for the grace. What is then still active is broken off, as its callers will notice. Event streams of MCP on which
    /// a server speaks of its own accord end between two events, as hosts ask for them again.
    ///
    /// A socket that was inherited is accepted from until what was active has ended: connections that come after that wait in it.
    ///
    /// Dropping the future ends everything at once.
    pub async fn run(self, stop: CancellationToken) {
        let Self { handle: Handle(shared), mut added, grace, .. } = self;
        let mut listeners = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some((listener, socket)) = added.recv() => {
                    listeners.spawn(listener.run(socket, shared.clone()));
                }
                Some(ended) = listeners.join_next(), if !listeners.is_empty() => note_panic(ended),
            }
        }
        tracing::info!("draining");
        shared.draining.cancel();
        shared.began_early.close();
        if tokio::time::timeout(grace, all(&mut listeners)).await.is_err() {
            tracing::warn!("the grace is over: breaking off");
            shared.over.cancel();
            all(&mut listeners).await;
        }
        shared.listeners.lock().await.clear();
    }
}

impl Handle {
    /// Puts another configuration in place of the present one. Connections are kept, and requests that are under way go on
    /// as they began; those that come from then on are answered by the new one. A listener that is no longer asked for
    /// accepts no more connections. Limits on connections and heads stay as they were.
    ///
    /// # Errors
    ///
    /// As those of [`Gateway::bind`]. Then everything stays as it was.
    pub async fn replace(&self, config: Config) -> Result<(), StartError> {
        let (wanted, own_listeners) = (config.listen, config.own_listeners.clone());
        let mut live = Live::new(config)?;
        let mut present = self.0.listeners.lock().await;
        let opened = Opened::of(&present, listener::wanted(wanted, &live), &own_listeners, &self.0.sockets)?;
        live.access.listens(&opened.all);
        self.0.replace(live);
        opened.take_over(&mut present, &self.0);
        Ok(())
    }

    /// The routes, in the order of their names.
    pub async fn routes(&self) -> Vec<Placed> {
        let live = self.0.live();
        let listeners = self.0.listeners.lock().await;
        let address = |entrance: &Entrance| {
            listeners.iter().find(|listener| listener.entrance() == *entrance).map(Listener::address)
        };
        let Some(main) = address(&Entrance::Main) else { return Vec::new() };
        let placed = live.routes.sorted().into_iter().map(|route| Placed {
            name: route.name().to_owned(),
            at: match (route.own_host(), route.own_listener()) {
                (Some(host), _) => format!("http://{host}:{}", main.port()),
                (_, Some(wanted)) => {
                    format!("http://{}", address(&Entrance::Route(route.name().into())).unwrap_or(wanted))
                }
                _ => format!("http://{main}{}", route.path()),
            },
            leads_to: route.shown_url(),
        });
        placed.collect()
    }
}

/// The listeners that a configuration asks for, bound.
struct Opened {
    all: Vec<(Listener, Entrance)>,
    /// Those of them that are yet to be run.
    fresh: Vec<(Listener, TcpListener)>,
}

impl Opened {
    /// Binds what is missing in `present`. Changes nothing that is there.
    fn of(
        present: &[Listener],
        wanted: Vec<(SocketAddr, Entrance)>,
        own: &OwnListeners,
        sockets: &Sockets,
    ) -> Result<Self, StartError> {
        let mut opened = Self { all: Vec::new(), fresh: Vec::new() };
        for (address, entrance) in wanted {
            let fits = |listener: &&Listener| listener.serves_as(address, &entrance) && !opened.has(listener);
            if let Some(listener) = present.iter().find(fits) {
                opened.all.push((listener.clone(), entrance));
                continue;
            }
            let bound = Listener::bind(address, entrance.clone(), own.clone(), sockets);
            let (listener, socket) = bound.map_err(|error| StartError::Bind { address, error })?;
            opened.all.push((listener.clone(), entrance));
            opened.fresh.push((listener, socket));
        }
        Ok(opened)
    }

    fn has(&self, listener: &Listener) -> bool {
        self.all.iter().any(|(other, _)| other.address() == listener.address())
    }

    /// Makes them all there are.
    fn take_over(self, present: &mut Vec<Listener>, shared: &Shared) {
        present.iter().filter(|listener| !self.has(listener)).for_each(Listener::close);
        *present = self.all.iter().map(|(listener, _)| listener.clone()).collect();
        self.all.into_iter().for_each(|(listener, entrance)| listener.lead_to(entrance));
        for fresh in self.fresh {
            // Nobody takes it once the gateway has ended, and then it is closed.
            let _ = shared.added.send(fresh);
        }
    }
}

async fn all(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        note_panic(ended);
    }
}
