//! What the HTTP client's errors mean: who is to blame, how far the exchange had come, whether a retry is safe.
//!
//! The caller's text is ours and fixed. The client's own text may name addresses, so it goes to the log alone.

mod chain;
mod tls;

use crate::hop::Hop;
use crate::refusal::{Refused, retry_before_sending};
use afield_exchange::{Blame, Error, Kind, Phase, Retry, detail};
use chain::{described, find, find_io};
use std::io;
use std::time::Duration;

/// Tells the operator's log about a failed exchange.
pub(crate) fn log(error: &Error) {
    let (kind, phase, hop) = (error.kind(), error.phase(), error.hop());
    let text = error.log().unwrap_or(error.message());
    match kind {
        Kind::PolicyDenied => tracing::info!(?kind, hop, "{text}"),
        _ => tracing::debug!(?kind, ?phase, hop, "{text}"),
    }
}

/// Why no response head came.
pub(crate) fn head(error: &reqwest::Error, hop: &Hop, connect_limit: Duration) -> Error {
    classify(error, hop, connect_limit).with_hop(hop.index)
}

fn classify(error: &reqwest::Error, hop: &Hop, connect_limit: Duration) -> Error {
    if let Some(refused) = find::<Refused>(error) {
        return refused.0.clone();
    }
    if let Some(upload) = hop.upload_error() {
        return upload.clone();
    }
    let classified = if let Some(tls) = find::<rustls::Error>(error).filter(|_| !hop.may_have_sent()) {
        tls::failed(tls, retry_before_sending(hop.index))
    } else if error.is_builder() {
        Error::invalid(detail::URL, "the url is not one that HTTP can carry")
    } else if error.is_connect() && !hop.may_have_sent() {
        connect(error, hop, connect_limit)
    } else {
        exchange(error, hop)
    };
    classified.with_log(described(error))
}

fn connect(error: &reqwest::Error, hop: &Hop, limit: Duration) -> Error {
    let retry = retry_before_sending(hop.index);
    let io = find_io(error);
    if error.is_timeout() || io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
        let message = format!("no connection to the origin within {limit:?}");
        let phase = hop.phase();
        return Error::new(Kind::Timeout, Blame::Network, retry, message).with_phase(phase);
    }
    if hop.via().is_some() {
        return through_proxy(error, io, retry);
    }
    let (blame, message) = match io.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => (Blame::Origin, "the origin refused the connection"),
        Some(
            io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionAborted,
        ) => (Blame::Origin, "the origin closed the connection while it was being made"),
        Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable) => {
            (Blame::Network, "the origin is unreachable")
        }
        Some(io::ErrorKind::PermissionDenied) => (Blame::Operator, "the system forbids this connection"),
        Some(io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse) => {
            (Blame::Executor, "no local address or port is left for the connection")
        }
        _ => (Blame::Network, "no connection to the origin could be made"),
    };
    Error::new(Kind::Connect, blame, retry, message).with_phase(Phase::Connect)
}

/// No connection to the origin through the operator's proxy, or none to the proxy.
fn through_proxy(error: &reqwest::Error, io: Option<&io::Error>, retry: Retry) -> Error {
    // The HTTP client tells apart by its text alone why a proxy made no tunnel.
    let message = if described(error).contains("proxy authorization required") {
        "the operator's proxy demands other credentials"
    } else if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
        "the operator's proxy refused the connection"
    } else {
        "the operator's proxy made no connection to the origin"
    };
    Error::new(Kind::Connect, Blame::Operator, retry, message).with_phase(Phase::Connect)
}

/// There is a connection, and something may have been sent.
fn exchange(error: &reqwest::Error, hop: &Hop) -> Error {
    let phase = match hop.phase() {
        Phase::Request => Phase::Request,
        _ => Phase::Head,
    };
    if is_unprocessed(error) {
        let message = "the origin refused to process the request";
        let retry = retry_before_sending(hop.index);
        return Error::new(Kind::OriginProtocol, Blame::Origin, retry, message).with_phase(phase);
    }
    if let Some(hyper) = find::<hyper::Error>(error) {
        if hyper.is_parse_too_large() {
            return response_headers_too_large();
        }
        if hyper.is_canceled() {
            let message = "the origin closed the connection before the request was sent";
            let retry = retry_before_sending(hop.index);
            return Error::new(Kind::OriginProtocol, Blame::Origin, retry, message)
                .with_phase(Phase::Request);
        }
        if hyper.is_parse() {
            return origin_protocol("the origin's answer is not HTTP", phase).with_detail(detail::NOT_HTTP);
        }
        if hyper.is_incomplete_message() {
            return origin_protocol(
                "the origin closed the connection without a complete response head",
                phase,
            );
        }
    }
    if find::<h2::Error>(error).is_some_and(|h2| h2.is_reset() || h2.is_go_away()) {
        return origin_protocol("the origin broke off the HTTP/2 exchange", phase);
    }
    if find_io(error).is_some() {
        return origin_protocol(
            "the connection to the origin was lost before a complete response head",
            phase,
        );
    }
    origin_protocol("the exchange with the origin failed", phase)
}

/// HTTP/2 says of these that the request was not processed (RFC 9113, section 8.7).
pub(crate) fn is_unprocessed(error: &reqwest::Error) -> bool {
    find::<h2::Error>(error).is_some_and(|h2| {
        h2.is_remote()
            && (h2.is_reset() && h2.reason() == Some(h2::Reason::REFUSED_STREAM)
                || h2.is_go_away() && h2.reason() == Some(h2::Reason::NO_ERROR))
    })
}

/// Why a response body broke off.
pub(crate) fn body(error: &reqwest::Error, hop: u32) -> Error {
    let cut =
        find::<hyper::Error>(error).is_some_and(|hyper| hyper.is_incomplete_message() || hyper.is_closed());
    let failure = if cut || find_io(error).is_some() {
        Error::body_cut()
    } else if find::<h2::Error>(error).is_some_and(|h2| h2.is_reset() || h2.is_go_away()) {
        Error::body_broken_off()
    } else {
        Error::body_misframed()
    };
    failure.with_hop(hop).with_log(described(error))
}

pub(crate) fn origin_protocol(message: &'static str, phase: Phase) -> Error {
    Error::new(Kind::OriginProtocol, Blame::Origin, Retry::Unknown, message).with_phase(phase)
}

fn response_headers_too_large() -> Error {
    let message = "the response head is larger than the HTTP library accepts";
    Error::new(Kind::TooLarge, Blame::Origin, Retry::No, message)
        .with_detail(detail::RESPONSE_HEADERS)
        .with_phase(Phase::Head)
}

pub(crate) fn too_many_redirects(limit: u32) -> Error {
    Error::new(Kind::OriginProtocol, Blame::Origin, Retry::No, format!("more than {limit} redirects"))
        .with_detail(detail::TOO_MANY_REDIRECTS)
        .with_phase(Phase::Head)
        .with_hop(limit)
}

/// The caller's deadline passed before anything was done.
pub(crate) fn already_past() -> Error {
    timeout("the deadline has already passed".to_owned(), Blame::Caller, Retry::Safe, Phase::Connect, 0)
        .with_detail(detail::TOTAL)
}

/// The caller's deadline passed while its own body was still to come, before anything was sent.
pub(crate) fn total_timeout_unsent() -> Error {
    let message = "the deadline passed before the end of the request body".to_owned();
    timeout(message, Blame::Caller, Retry::Safe, Phase::Request, 0).with_detail(detail::TOTAL)
}

/// The caller's deadline passed before the response head.
pub(crate) fn total_timeout(hop: &Hop) -> Error {
    let retry = if hop.may_have_sent() { Retry::Unknown } else { retry_before_sending(hop.index) };
    let (message, blame) = match hop.phase() {
        Phase::Dns => ("the deadline passed while the host name was being resolved", Blame::Network),
        Phase::Connect | Phase::Tls => ("the deadline passed while connecting", Blame::Network),
        Phase::Request => ("the deadline passed while the request was being sent", Blame::Origin),
        _ => ("the deadline passed before the response head", Blame::Origin),
    };
    timeout(message.to_owned(), blame, retry, hop.phase(), hop.index).with_detail(detail::TOTAL)
}

/// The origin took too long over the response head.
pub(crate) fn head_timeout(hop: &Hop, limit: Duration) -> Error {
    let message = format!("no response head within {limit:?}");
    timeout(message, Blame::Origin, Retry::Unknown, Phase::Head, hop.index)
}

/// The caller's deadline passed while the body was being read.
pub(crate) fn total_timeout_in_body(hop: u32) -> Error {
    Error::body_deadline().with_hop(hop)
}

/// The body paused for too long.
pub(crate) fn idle_timeout(hop: u32, limit: Duration) -> Error {
    Error::body_idle(limit).with_hop(hop)
}

fn timeout(message: String, blame: Blame, retry: Retry, phase: Phase, hop: u32) -> Error {
    Error::new(Kind::Timeout, blame, retry, message).with_phase(phase).with_hop(hop)
}
