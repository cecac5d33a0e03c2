use afield_exchange::{HttpVersion, Timings};
use std::net::SocketAddr;
use tokio::time::Instant;

/// Measures an exchange, hop by hop.
pub(crate) struct Stopwatch {
    began: Instant,
    hop_began: Instant,
    timings: Timings,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { began: now, hop_began: now, timings: Timings::default() }
    }

    /// A redirect is followed.
    pub(crate) fn redirected(&mut self) {
        self.hop_began = Instant::now();
        let mut timings = Timings::default();
        timings.redirects = self.timings.redirects + 1;
        timings.connections = self.timings.connections;
        timings.redirect = self.hop_began - self.began;
        self.timings = timings;
    }

    pub(crate) fn resolved(&mut self) {
        self.timings.resolved = Some(self.hop_began.elapsed());
    }

    pub(crate) fn connected(&mut self) {
        self.timings.connections += 1;
        self.timings.connected = Some(self.hop_began.elapsed());
    }

    pub(crate) fn secured(&mut self) {
        self.timings.secured = Some(self.hop_began.elapsed());
    }

    /// There is a connection, to this address, for the request.
    pub(crate) fn ready(&mut self, remote: SocketAddr) {
        self.timings.remote_address = Some(remote.ip());
        self.timings.remote_port = Some(remote.port());
        self.timings.ready = Some(self.hop_began.elapsed());
    }

    /// The connection did not take the request: another is sought.
    pub(crate) fn again(&mut self) {
        self.timings.resolved = None;
        self.timings.connected = None;
        self.timings.secured = None;
    }

    /// The head is there.
    pub(crate) fn finish(&mut self, version: http::Version) -> Timings {
        self.timings.http_version = match version {
            http::Version::HTTP_10 => Some(HttpVersion::Http10),
            http::Version::HTTP_11 => Some(HttpVersion::Http11),
            http::Version::HTTP_2 => Some(HttpVersion::Http2),
            _ => None,
        };
        self.timings.head = Some(self.hop_began.elapsed());
        self.timings.clone()
    }

    pub(crate) fn remote(&self) -> Option<std::net::IpAddr> {
        self.timings.remote_address
    }
}
