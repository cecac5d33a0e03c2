use super::{Address, DialConfig, DialError, tls};
use crate::NetStream;
use rustls_pki_types::ServerName;
use std::{
    io,
    net::{IpAddr, SocketAddr},
};
use tokio::{
    net::{TcpStream, UnixStream, lookup_host},
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;
use url::Host;

/// TCP to the first address that accepts, or through the proxy, then TLS where the URL asks for it; or a Unix socket.
pub(super) async fn connect(
    address: &Address,
    config: &DialConfig,
    deadline: Instant,
) -> Result<NetStream, DialError> {
    let failed = |source| DialError::Connect { host: address.host_and_port(), source };
    if let Some(path) = &address.unix {
        return UnixStream::connect(path).await.map(NetStream::Unix).map_err(failed);
    }
    // Before anything touches the network.
    let tls = address.tls.then(|| tls::client_config(config)).transpose()?;
    let exposed = config.token.is_some() && !address.tls && !config.allow_plaintext_token;
    let stream = match &config.proxy {
        Some(_) if exposed => return Err(DialError::PlaintextToken { host: address.host_and_port() }),
        Some(proxy) => proxy.tunnel(address, deadline).await?,
        None => {
            let addresses = resolve(&address.host, address.port).await;
            let addresses =
                addresses.map_err(|source| DialError::Dns { host: address.host_and_port(), source })?;
            if exposed && addresses.iter().any(|address| !is_loopback(address.ip())) {
                return Err(DialError::PlaintextToken { host: address.host_and_port() });
            }
            NetStream::Plain(connect_to_any(&addresses, deadline).await.map_err(failed)?)
        }
    };
    match (tls, stream) {
        (Some(tls), NetStream::Plain(stream)) => {
            let failed = |source| DialError::Tls { host: address.host_and_port(), source };
            let name = server_name(&address.host).map_err(failed)?;
            let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(failed)?;
            tls::check_pins(&config.pins, stream.get_ref().1.peer_certificates())
                .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
            Ok(NetStream::Tls(Box::new(stream.into())))
        }
        (_, stream) => Ok(stream),
    }
}

/// TCP to a host and a port.
pub(super) async fn tcp(host: &Host<String>, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    connect_to_any(&resolve(host, port).await?, deadline).await
}

async fn resolve(host: &Host<String>, port: u16) -> io::Result<Vec<SocketAddr>> {
    let name = match host {
        Host::Ipv4(ip) => return Ok(vec![(*ip, port).into()]),
        Host::Ipv6(ip) => return Ok(vec![(*ip, port).into()]),
        Host::Domain(name) => name,
    };
    let addresses: Vec<_> = lookup_host((name.as_str(), port)).await?.collect();
    match addresses.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        false => Ok(addresses),
    }
}

/// Each address gets an equal share of the time that is left, so that one that swallows packets does not use it up.
async fn connect_to_any(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (at, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn server_name(host: &Host<String>) -> io::Result<ServerName<'static>> {
    match host {
        Host::Ipv4(ip) => Ok(ServerName::from(IpAddr::from(*ip))),
        Host::Ipv6(ip) => Ok(ServerName::from(IpAddr::from(*ip))),
        Host::Domain(name) => ServerName::try_from(name.clone()).map_err(io::Error::other),
    }
}
