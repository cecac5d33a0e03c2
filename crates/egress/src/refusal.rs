//! The errors of the door. The caller's text is fixed: what a name resolved to, which rule denied it and what the
//! resolver said are for the operator's log alone.

use crate::address::{AddressClass, classify};
use crate::hop::Hop;
use crate::policy::Destination;
use afield_exchange::{Blame, Error, Kind, Phase, Retry, RuledOut, detail};
use std::net::IpAddr;
use std::time::Duration;

/// Whether a retry is safe after a failure before anything was sent on this hop: only if no earlier hop was executed.
pub(crate) fn retry_before_sending(hop: u32) -> Retry {
    if hop == 0 { Retry::Safe } else { Retry::Unknown }
}

pub(crate) fn denied(destination: &Destination<'_>, address: Option<IpAddr>, rule: &str, hop: u32) -> Error {
    let message = match hop {
        0 => "the operator's policy denies this destination",
        _ => "the operator's policy denies the destination of a redirect",
    };
    Error::new(Kind::PolicyDenied, Blame::Operator, Retry::No, message)
        .with_hop(hop)
        .with_log(format!("{} denied by {rule}", place(destination, address)))
}

/// The policy denies the place that a `Host` of the caller's own names.
pub(crate) fn host_denied(host: &str, rule: &str, hop: u32) -> Error {
    let message = "the operator's policy denies the host that the request's Host names";
    Error::new(Kind::PolicyDenied, Blame::Operator, Retry::No, message)
        .with_hop(hop)
        .with_log(format!("Host {host} denied by {rule}"))
}

/// A `Host` of the caller's own would go through a proxy.
pub(crate) fn host_through_proxy() -> Error {
    let message = "a Host other than the URL's does not go through the operator's proxy";
    Error::new(Kind::PolicyDenied, Blame::Operator, Retry::No, message)
        .with_log(format!("{message}: allow_own_host in the upstream would let it"))
}

/// The request itself rules this kind of destination out. Says nothing of where a name leads but that.
pub(crate) fn ruled_out(destination: &Destination<'_>, address: IpAddr, hop: &Hop) -> Option<Error> {
    let RuledOut { loopback, link_local } = hop.ruled_out;
    let applies = match classify(address) {
        AddressClass::Loopback | AddressClass::Unspecified => loopback,
        AddressClass::LinkLocal | AddressClass::Metadata => link_local,
        _ => false,
    };
    let message = match hop.index {
        0 => "the request itself rules out where this leads",
        _ => "the request itself rules out where a redirect leads",
    };
    applies.then(|| {
        Error::new(Kind::PolicyDenied, Blame::Caller, Retry::No, message)
            .with_hop(hop.index)
            .with_log(format!("{} ruled out by the request", place(destination, Some(address))))
    })
}

pub(crate) fn own_listener(destination: &Destination<'_>, address: IpAddr, hop: u32) -> Error {
    let message = match hop {
        0 => "the destination is this executor itself",
        _ => "the destination of a redirect is this executor itself",
    };
    Error::new(Kind::PolicyDenied, Blame::Operator, Retry::No, message)
        .with_detail(detail::SELF)
        .with_hop(hop)
        .with_log(format!("{} denied by self", place(destination, Some(address))))
}

pub(crate) fn unresolved(hop: &Hop, host: &str, why: &str) -> Error {
    let message = match hop.index {
        0 => "the host name cannot be resolved",
        _ => "the host name of a redirect cannot be resolved",
    };
    Error::new(Kind::Dns, Blame::Network, retry_before_sending(hop.index), message)
        .with_phase(Phase::Dns)
        .with_hop(hop.index)
        .with_log(format!("{host}: {why}"))
}

pub(crate) fn dns_timeout(hop: &Hop, host: &str, limit: Duration) -> Error {
    let message = format!("resolving the host name took longer than {limit:?}");
    Error::new(Kind::Timeout, Blame::Network, retry_before_sending(hop.index), message)
        .with_phase(Phase::Dns)
        .with_hop(hop.index)
        .with_log(format!("{host}: no answer within {limit:?}"))
}

/// The failure to resolve a name, which is the operator's proxy's.
pub(crate) fn proxy_unresolved(error: Error) -> Error {
    let retry = error.retry();
    let message = "the operator's proxy cannot be resolved";
    let unresolved = Error::new(error.kind(), Blame::Operator, retry, message).with_phase(Phase::Dns);
    let unresolved = unresolved.with_hop(error.hop().unwrap_or_default());
    unresolved.with_log(format!("proxy {}", error.log().unwrap_or_default()))
}

pub(crate) fn proxy_is_self(host: &str, port: u16, hop: u32) -> Error {
    Error::new(Kind::PolicyDenied, Blame::Operator, Retry::No, "the operator's proxy is this executor itself")
        .with_detail(detail::SELF)
        .with_hop(hop)
        .with_log(format!("proxy {host}:{port} denied by self"))
}

fn place(destination: &Destination<'_>, address: Option<IpAddr>) -> String {
    let Destination { scheme, host, port, .. } = destination;
    match address {
        Some(address) => format!("{}://{host}:{port} at {address}", scheme.as_str()),
        None => format!("{}://{host}:{port}", scheme.as_str()),
    }
}
