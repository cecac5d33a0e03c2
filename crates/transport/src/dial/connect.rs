use super::{Address, DialConfig, DialError};
use crate::NetStream;
use rustls_pki_types::ServerName;
use std::{
    io,
    net::{IpAddr, SocketAddr},
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;
use url::Host;

/// TCP to the first address that accepts, then TLS where the URL asks for it.
pub(super) async fn connect(
    address: &Address,
    config: &DialConfig,
    deadline: Instant,
) -> Result<NetStream, DialError> {
    let addresses = resolve(address).await?;
    let exposed = config.token.is_some() && !address.tls && !config.allow_plaintext_token;
    if exposed && addresses.iter().any(|address| !is_loopback(address.ip())) {
        return Err(DialError::PlaintextToken { host: address.host_and_port() });
    }
    let stream = connect_to_any(&addresses, deadline)
        .await
        .map_err(|source| DialError::Connect { host: address.host_and_port(), source })?;
    match &config.tls {
        Some(tls) if address.tls => {
            let failed = |source| DialError::Tls { host: address.host_and_port(), source };
            let name = server_name(&address.host).map_err(failed)?;
            let stream = TlsConnector::from(tls.clone()).connect(name, stream).await.map_err(failed)?;
            Ok(NetStream::Tls(Box::new(stream.into())))
        }
        _ => Ok(NetStream::Plain(stream)),
    }
}

async fn resolve(address: &Address) -> Result<Vec<SocketAddr>, DialError> {
    let name = match &address.host {
        Host::Ipv4(ip) => return Ok(vec![(*ip, address.port).into()]),
        Host::Ipv6(ip) => return Ok(vec![(*ip, address.port).into()]),
        Host::Domain(name) => name,
    };
    let failed = |source| DialError::Dns { host: address.host_and_port(), source };
    let addresses: Vec<_> = lookup_host((name.as_str(), address.port)).await.map_err(failed)?.collect();
    if addresses.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(addresses)
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
