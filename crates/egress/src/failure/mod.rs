//! What the HTTP client's errors mean: who is to blame, how far the exchange had come, whether a retry is safe.
//!
//! The caller's text is ours and fixed. The client's own text may name addresses, so it goes to the log alone.

mod chain;
mod tls;

use crate::connect::Failure;
use crate::hop::Hop;
use crate::refusal::retry_before_sending;
use afield_exchange::{Blame, Error, Kind, Phase, Retry, detail};
pub(crate) use chain::described;
use chain::{find, find_io};
use std::io;
use std::time::Duration;

/// Why there is no response head.
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// The origin says that it did not process the request.
    pub(crate) unprocessed: bool,
    /// The origin wants HTTP/1.1 (RFC 9113, section 7, HTTP_1_1_REQUIRED).
    pub(crate) wants_http1: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, unprocessed: false, wants_http1: false }
    }
}

/// Logs that a request has failed: the only line about it where no owner of the egress logs it.
pub(crate) fn log(error: &Error) {
    let kind = error.kind().as_str();
    let (phase, hop, detail) = (error.phase().map(Phase::as_str), error.hop(), error.log());
    match error.kind() {
        Kind::PolicyDenied => tracing::info!(kind, hop, detail, %error, "a request was denied"),
        _ => tracing::debug!(kind, phase, hop, detail, %error, "a request failed"),
    }
}

/// Why no response head came over a connection.
pub(crate) fn head(error: &(dyn std::error::Error + 'static), hop: &Hop) -> Failed {
    if let Some(upload) = hop.upload_error() {
        return upload.clone().with_hop(hop.index).into();
    }
    let h2 = find::<h2::Error>(error).filter(|h2| h2.is_remote());
    let says = |reason| h2.is_some_and(|h2| h2.reason() == Some(reason));
    let wants_http1 = says(h2::Reason::HTTP_1_1_REQUIRED);
    Failed {
        unprocessed: wants_http1 || is_unprocessed(error),
        wants_http1,
        error: exchange(error, hop).with_hop(hop.index).with_log(described(error)),
    }
}

/// The connection took no request, though it had just been made or was open a moment ago.
pub(crate) fn unsent(hop: &Hop) -> Error {
    let message = "the origin closed the connection before the request was sent";
    Error::new(Kind::OriginProtocol, Blame::Origin, retry_before_sending(hop.index), message)
        .with_phase(Phase::Request)
        .with_hop(hop.index)
}

/// Why there is no connection.
pub(crate) fn connect(why: Failure, hop: &Hop, through_proxy: bool) -> Error {
    let retry = retry_before_sending(hop.index);
    let (error, log) = match why {
        Failure::Io(io) if through_proxy => (proxy_io(&io, retry), described(&io)),
        Failure::Io(io) => (origin_io(&io, retry), described(&io)),
        Failure::ProxyCredentials => {
            (proxy("the operator's proxy demands other credentials", retry), "407 or its like".to_owned())
        }
        Failure::Proxy(log) => (proxy("the operator's proxy made no connection to the origin", retry), log),
        Failure::Gated => {
            let message = "no connection to the origin could be made";
            let error = Error::new(Kind::Connect, Blame::Network, retry, message);
            (error.with_phase(Phase::Connect), "connection attempts are gated".to_owned())
        }
    };
    error.with_hop(hop.index).with_log(log)
}

fn origin_io(io: &io::Error, retry: Retry) -> Error {
    if io.kind() == io::ErrorKind::TimedOut {
        let message = "the system gave up connecting to the origin";
        return Error::new(Kind::Timeout, Blame::Network, retry, message).with_phase(Phase::Connect);
    }
    let (blame, message) = match io.kind() {
        io::ErrorKind::ConnectionRefused => (Blame::Origin, "the origin refused the connection"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionAborted => {
            (Blame::Origin, "the origin closed the connection while it was being made")
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            (Blame::Network, "the origin is unreachable")
        }
        io::ErrorKind::PermissionDenied => (Blame::Operator, "the system forbids this connection"),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => {
            (Blame::Executor, "no local address or port is left for the connection")
        }
        _ => (Blame::Network, "no connection to the origin could be made"),
    };
    Error::new(Kind::Connect, blame, retry, message).with_phase(Phase::Connect)
}

fn proxy_io(io: &io::Error, retry: Retry) -> Error {
    match io.kind() {
        io::ErrorKind::ConnectionRefused => proxy("the operator's proxy refused the connection", retry),
        _ => proxy("the operator's proxy made no connection to the origin", retry),
    }
}

fn proxy(message: &'static str, retry: Retry) -> Error {
    Error::new(Kind::Connect, Blame::Operator, retry, message).with_phase(Phase::Connect)
}

/// A handshake with the origin, or with the operator's proxy, failed. rustls wraps its errors.
pub(crate) fn tls(error: io::Error, hop: &Hop, with_proxy: bool) -> Error {
    let retry = retry_before_sending(hop.index);
    match find::<rustls::Error>(&error) {
        Some(tls) => tls::failed(tls, retry).with_hop(hop.index).with_log(described(&error)),
        None => connect(error.into(), hop, with_proxy),
    }
}

/// The host is not one that a certificate can be for.
pub(crate) fn unusable_server_name() -> Error {
    let message = "the host name is not one that a certificate can carry";
    Error::new(Kind::Tls, Blame::Caller, Retry::No, message).with_phase(Phase::Tls).with_detail("wrong_name")
}

/// HTTP/2 and nothing else was asked for.
pub(crate) fn no_http2(hop: &Hop) -> Error {
    let message = "the origin does not speak HTTP/2";
    Error::new(Kind::OriginProtocol, Blame::Origin, retry_before_sending(hop.index), message)
        .with_phase(Phase::Connect)
        .with_hop(hop.index)
}

/// No connection within the limit.
pub(crate) fn connect_timeout(hop: &Hop, limit: Duration) -> Error {
    let message = format!("no connection to the origin within {limit:?}");
    timeout(message, Blame::Network, retry_before_sending(hop.index), hop.phase(), hop.index)
}

/// The origin sends one informational response after the other.
pub(crate) fn too_many_informational(limit: usize) -> Error {
    let message = format!("more than {limit} informational (1xx) responses came before the response head");
    Error::new(Kind::TooLarge, Blame::Origin, Retry::Unknown, message)
        .with_detail(detail::RESPONSE_HEADERS)
        .with_phase(Phase::Head)
}

/// There is a connection, and something may have been sent.
fn exchange(error: &(dyn std::error::Error + 'static), hop: &Hop) -> Error {
    let phase = match hop.phase() {
        Phase::Request => Phase::Request,
        _ => Phase::Head,
    };
    // In TLS 1.3 an origin's word on our certificate, or that there is none, may come behind the request, which it then never sees.
    if let Some(error) = find::<rustls::Error>(error).filter(|error| tls::wants_certificate(error)) {
        return tls::failed(error, retry_before_sending(hop.index));
    }
    let refused = find::<h2::Error>(error)
        .is_some_and(|h2| h2.is_remote() && h2.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED));
    if refused || is_unprocessed(error) {
        let message = "the origin refused to process the request";
        let retry = retry_before_sending(hop.index);
        return Error::new(Kind::OriginProtocol, Blame::Origin, retry, message).with_phase(phase);
    }
    if let Some(hyper) = find::<hyper::Error>(error) {
        if hyper.is_parse_too_large() {
            return response_headers_too_large();
        }
        if hyper.is_canceled() {
            return unsent(hop);
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
fn is_unprocessed(error: &(dyn std::error::Error + 'static)) -> bool {
    find::<h2::Error>(error).is_some_and(|h2| {
        h2.is_remote()
            && (h2.is_reset() && h2.reason() == Some(h2::Reason::REFUSED_STREAM)
                || h2.is_go_away() && h2.reason() == Some(h2::Reason::NO_ERROR))
    })
}

/// Why a response body broke off.
pub(crate) fn body(error: &(dyn std::error::Error + 'static)) -> Error {
    let cut =
        find::<hyper::Error>(error).is_some_and(|hyper| hyper.is_incomplete_message() || hyper.is_closed());
    let failure = if cut || find_io(error).is_some() {
        Error::body_cut()
    } else if find::<h2::Error>(error).is_some_and(|h2| h2.is_reset() || h2.is_go_away()) {
        Error::body_broken_off()
    } else {
        Error::body_misframed()
    };
    failure.with_log(described(error))
}

pub(crate) fn origin_protocol(message: &'static str, phase: Phase) -> Error {
    Error::new(Kind::OriginProtocol, Blame::Origin, Retry::Unknown, message).with_phase(phase)
}

/// The response head is over its limits.
pub(crate) fn response_headers_too_large() -> Error {
    let message = "the response head has more fields, or more bytes, than the operator accepts";
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
