//! A new connection to an origin: resolved, vetted, dialled, through the proxy if there is one, inside TLS if the URL says so.

mod proxy;
mod race;
mod sips;
mod socket;

pub(crate) use proxy::Credentials;
pub(crate) use sips::{SIP, Sips};
pub(crate) use socket::{Control, Socket};

use crate::door::{Admitted, Door};
use crate::failure;
use crate::hop::Hop;
use crate::identity::{Identity, ProxyRoute};
use crate::policy::{Destination, Scheme};
use crate::request::target::Target;
use crate::stopwatch::Stopwatch;
use crate::upstream::ProxyScheme;
use afield_exchange::Error;
use proxy::Place;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

/// A connection to an origin or to a proxy, in the clear or inside TLS to the proxy.
type Transport = Either<Socket, Box<TlsStream<Socket>>>;

/// What HTTP is spoken over.
pub(crate) type Io = Either<Transport, Box<TlsStream<Transport>>>;

/// Called before each connection attempt; `false` refuses it. For tests that must show that nothing is dialled.
pub type DialGate = Arc<dyn Fn() -> bool + Send + Sync>;

/// A connection that was made.
pub(crate) struct Connected {
    pub(crate) io: Io,
    pub(crate) control: Control,
    pub(crate) remote: SocketAddr,
    /// Whether HTTP/2 was negotiated.
    pub(crate) is_http2: bool,
    /// The name that was asked for its address, where it is another than the request's.
    pub(crate) asked: Option<Box<str>>,
}

/// Where a connection is to lead, and as whom.
pub(crate) struct Destined<'a> {
    pub(crate) door: &'a Door,
    pub(crate) identity: &'a Identity,
    pub(crate) target: &'a Target,
    pub(crate) destination: Destination<'a>,
    /// The addresses of the origin, where they were asked for and vetted already.
    pub(crate) admitted: Option<Admitted>,
    /// What TLS to the origin is spoken with.
    pub(crate) tls: &'a Arc<ClientConfig>,
}

/// Why there is no connection, before it is known what that means.
pub(crate) enum Failure {
    Io(io::Error),
    /// The proxy demands credentials, or others.
    ProxyCredentials,
    /// The proxy made no connection, for this reason.
    Proxy(String),
    Gated,
}

impl Failure {
    fn tunnel(error: hyper::Error) -> Self {
        Self::Proxy(failure::described(&error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Makes a connection. Has no deadline of its own.
pub(crate) async fn connect(
    destined: Destined<'_>,
    hop: &Hop,
    watch: &mut Stopwatch,
) -> Result<Connected, Error> {
    match &destined.identity.proxy {
        None => direct(destined, hop, watch).await,
        Some(proxy) => proxied(&destined, proxy, hop, watch).await,
    }
}

async fn direct(mut destined: Destined<'_>, hop: &Hop, watch: &mut Stopwatch) -> Result<Connected, Error> {
    let target = destined.target;
    let admitted = match (destined.admitted.take(), target.literal) {
        (Some(admitted), _) => admitted,
        (None, Some(address)) => Admitted { addresses: vec![address], asked: None },
        (None, None) => {
            let admitted = destined.door.admit(&destined.destination, hop).await?;
            watch.resolved();
            admitted
        }
    };
    let (socket, remote) = dial(&destined, &admitted.addresses, target.port)
        .await
        .map_err(|why| failure::connect(why, hop, false))?;
    watch.connected();
    let control = socket.control();
    let (io, is_http2) = secured(&destined, Either::Left(socket), hop, watch).await?;
    Ok(Connected { io, control, remote, is_http2, asked: admitted.asked })
}

async fn proxied(
    destined: &Destined<'_>,
    route: &ProxyRoute,
    hop: &Hop,
    watch: &mut Stopwatch,
) -> Result<Connected, Error> {
    let (target, proxy) = (destined.target, &route.proxy);
    let addresses = destined.door.proxy_addresses(proxy, hop).await?;
    watch.resolved();
    let failed = |why| failure::connect(why, hop, true);
    let (socket, remote) = dial(destined, &addresses, proxy.port).await.map_err(failed)?;
    watch.connected();
    let control = socket.control();
    let mut transport: Transport = match proxy.scheme {
        ProxyScheme::Https => {
            let name = server_name(&proxy.host)?;
            let stream = TlsConnector::from(Arc::clone(&route.tls)).connect(name, socket).await;
            Either::Right(Box::new(stream.map_err(|error| failure::tls(error, hop, true))?))
        }
        ProxyScheme::Http | ProxyScheme::Socks5 => Either::Left(socket),
    };
    match proxy.scheme {
        ProxyScheme::Socks5 => {
            let admitted = destined.admitted.as_ref().and_then(|admitted| admitted.addresses.first());
            let place = match admitted {
                Some(address) => Place::Address(SocketAddr::new(*address, target.port)),
                None => Place::Name(target.host(), target.port),
            };
            proxy::socks5(&mut transport, place, route.credentials.as_ref()).await.map_err(failed)?;
        }
        ProxyScheme::Http | ProxyScheme::Https if target.scheme == Scheme::Https => {
            let basic = route.credentials.as_ref().map(|credentials| &credentials.basic);
            transport = proxy::tunnel(transport, &target.authority(), basic).await.map_err(failed)?;
        }
        // A request for `http:` goes to the proxy itself, with its whole URL.
        ProxyScheme::Http | ProxyScheme::Https => {}
    }
    let (io, is_http2) = secured(destined, transport, hop, watch).await?;
    let asked = destined.admitted.as_ref().and_then(|admitted| admitted.asked.clone());
    Ok(Connected { io, control, remote, is_http2, asked })
}

async fn dial(
    destined: &Destined<'_>,
    addresses: &[IpAddr],
    port: u16,
) -> Result<(Socket, SocketAddr), Failure> {
    if destined.identity.is_gated() {
        return Err(Failure::Gated);
    }
    let (stream, remote) = race::connect(addresses, port).await?;
    Ok((Socket::new(stream), remote))
}

/// The connection inside TLS, if the URL says so, and whether HTTP/2 was negotiated.
async fn secured(
    destined: &Destined<'_>,
    transport: Transport,
    hop: &Hop,
    watch: &mut Stopwatch,
) -> Result<(Io, bool), Error> {
    if destined.target.scheme == Scheme::Http {
        return Ok((Either::Left(transport), false));
    }
    let name = server_name(destined.target.host())?;
    let stream = TlsConnector::from(Arc::clone(destined.tls)).connect(name, transport).await;
    let stream = stream.map_err(|error| failure::tls(error, hop, false))?;
    watch.secured();
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((Either::Right(Box::new(stream)), is_http2))
}

/// The name that a certificate must be for. An absolute name's last dot is no part of it.
fn server_name(host: &str) -> Result<ServerName<'static>, Error> {
    let name = host.strip_suffix('.').unwrap_or(host).to_owned();
    ServerName::try_from(name).map_err(|_| failure::unusable_server_name())
}
