use std::{net::IpAddr, time::Duration};

/// The version of HTTP that an origin answered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// How an exchange went, as whoever performed it measured it. Times count from the beginning of the last hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// The version of HTTP of the answer.
    pub http_version: Option<HttpVersion>,
    /// The address at the other end of the last hop's connection: the origin's, or the proxy's.
    pub remote_address: Option<IpAddr>,
    /// The port there.
    pub remote_port: Option<u16>,
    /// Connections that were made, on all hops.
    pub connections: u32,
    /// Redirects that were followed.
    pub redirects: u32,
    /// From the beginning of the exchange to that of the last hop.
    pub redirect: Duration,
    /// Until the name was resolved. `None` where none was: a connection was reused, or the host is an address.
    pub resolved: Option<Duration>,
    /// Until the connection was made. `None` where one was reused.
    pub connected: Option<Duration>,
    /// Until the TLS handshake was done. `None` without TLS, or where a connection was reused.
    pub secured: Option<Duration>,
    /// Until the first byte of the request could be sent.
    pub ready: Option<Duration>,
    /// Until the response head was there.
    pub head: Option<Duration>,
}
