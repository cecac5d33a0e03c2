use crate::{ExitCode, failure::Failure};
use afield_exchange::{Error, Kind, Phase, Retry, decode::CONTENT_ENCODING, detail};
use std::borrow::Cow;

/// What an error of the exchange of `url` means for the command's caller.
pub(crate) fn failure(error: &Error, url: &str) -> Failure {
    let mut failure = Failure::new(code(error), message(error, url));
    failure.verdict = Some((error.blame(), error.retry()));
    failure.hint = hint(error).map(Cow::Borrowed);
    failure
}

/// The error's text, and where it was on the way to where that helps. Of a redirect the caller is told no address that
/// he did not give.
fn message(error: &Error, url: &str) -> String {
    let place = || {
        let url = url::Url::parse(url).ok()?;
        Some(match url.port_or_known_default() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        })
    };
    let on_the_way =
        matches!(error.kind(), Kind::Dns | Kind::Connect | Kind::Tls | Kind::PolicyDenied | Kind::Timeout);
    let text = [prefix(error), error.message()].concat();
    match (error.hop(), on_the_way.then(place).flatten()) {
        (Some(hop), _) if hop > 0 => format!("after redirect {hop}: {text}"),
        (_, Some(place)) => format!("{text}: {place}"),
        _ => text,
    }
}

/// What of the request the text of a refusal is about.
fn prefix(error: &Error) -> &'static str {
    match (error.kind(), error.detail()) {
        (Kind::InvalidRequest, Some(detail::METHOD)) => "the method is invalid: ",
        (Kind::InvalidRequest | Kind::TooLarge, Some(detail::URL)) => "the URL is invalid: ",
        (Kind::InvalidRequest, Some(detail::SCHEME)) => "only http and https URLs are supported, not ",
        (Kind::InvalidRequest, Some(detail::HEADER_NAME)) => "a header name is invalid: ",
        (Kind::InvalidRequest, Some(detail::HEADER_VALUE)) => "a header value is invalid, of ",
        (Kind::TooLarge, Some(detail::HEADERS)) => "the headers are too large: ",
        (Kind::TooLarge, Some(detail::REQUEST_BODY)) => "the request body is too large: ",
        _ => "",
    }
}

/// The exit code: curl's where curl has one.
pub(crate) fn code(error: &Error) -> ExitCode {
    match (error.kind(), error.detail()) {
        (Kind::InvalidRequest, Some(detail::URL)) => ExitCode::BadUrl,
        (Kind::InvalidRequest, Some(detail::SCHEME)) => ExitCode::UnsupportedScheme,
        (Kind::InvalidRequest, _) => ExitCode::BadRequest,
        (Kind::PolicyDenied, _) => ExitCode::PolicyDenied,
        (Kind::Dns, _) => ExitCode::Dns,
        (Kind::Connect, _) => ExitCode::Connect,
        (Kind::Tls, reason) => tls(reason),
        (Kind::Timeout, _) => ExitCode::Timeout,
        (Kind::OriginProtocol, Some(detail::TOO_MANY_REDIRECTS)) => ExitCode::TooManyRedirects,
        (Kind::OriginProtocol, Some(CONTENT_ENCODING)) => ExitCode::BadEncoding,
        (Kind::OriginProtocol, detail) => broken_answer(error.phase(), detail),
        (Kind::TooLarge, Some(detail::URL)) => ExitCode::BadUrl,
        (Kind::TooLarge, _) => ExitCode::TooLarge,
        (Kind::Overloaded, _) => ExitCode::Overloaded,
        (Kind::Cancelled, _) => ExitCode::Cancelled,
        (Kind::SessionLost, _) if error.retry() == Retry::Safe => ExitCode::ExecutorUnreachable,
        (Kind::SessionLost, _) => ExitCode::SessionLost,
        (Kind::Unauthorized, _) => ExitCode::Unauthorized,
        (Kind::Internal, _) => ExitCode::Internal,
    }
}

/// A certificate that cannot be trusted is curl's 60, every other failure of the handshake its 35.
fn tls(reason: Option<&str>) -> ExitCode {
    match reason {
        Some(
            "expired" | "not_yet_valid" | "wrong_name" | "unknown_issuer" | "revoked" | "bad_certificate"
            | "no_certificate" | "roots",
        ) => ExitCode::Certificate,
        _ => ExitCode::TlsHandshake,
    }
}

fn broken_answer(phase: Option<Phase>, detail: Option<&str>) -> ExitCode {
    match (phase, detail) {
        (Some(Phase::Body), _) => ExitCode::PartialBody,
        (Some(Phase::Request), _) => ExitCode::Send,
        (Some(Phase::Head), Some(detail::NOT_HTTP)) => ExitCode::WeirdReply,
        (Some(Phase::Head), _) => ExitCode::EmptyReply,
        _ => ExitCode::Receive,
    }
}

fn hint(error: &Error) -> Option<&'static str> {
    Some(match (error.kind(), error.detail()) {
        (Kind::InvalidRequest, Some(detail::URL)) => {
            "write an absolute URL: http://host/path, special characters percent-encoded"
        }
        (Kind::Connect, _) => {
            "is something listening there? With --executor, `there` is as seen from the executor"
        }
        (Kind::Dns, _) => "is the name spelled right? With --executor, it is resolved where the executor is",
        (Kind::Tls, Some("expired")) => "only whoever runs the origin can renew its certificate",
        (Kind::Tls, Some("not_yet_valid")) => "is the clock right where the request leaves from?",
        (Kind::Tls, Some("wrong_name")) => "address the origin by a name that its certificate is for",
        (Kind::Tls, Some("protocol")) => "does that port speak TLS at all? If not, the URL begins with http:",
        (Kind::Tls, Some("no_certificate")) => "does that port speak TLS with a certificate at all?",
        (Kind::Tls, Some("client_certificate")) => {
            "an executor shows one that its configuration names: `client_certificate` and `client_key` in one of [[upstreams]]"
        }
        (Kind::Tls, reason) if tls(reason) == ExitCode::Certificate => {
            "--ca FILE trusts another authority where the request leaves from here; an executor trusts what its own \
             configuration says: `ca` in [serve], or in one of [[upstreams]]"
        }
        (Kind::Timeout, Some(detail::TOTAL)) => "--max-time sets the time for the whole exchange",
        (Kind::Timeout, Some(detail::IDLE)) => "--idle-timeout sets the longest silence",
        (Kind::TooLarge, Some(detail::DECODED)) => {
            "--max-decoded raises the limit; without --compressed nothing is decoded"
        }
        (Kind::TooLarge, Some(detail::UNREAD)) => {
            "the base dialect has no flow control: a body must be taken about as fast as it comes"
        }
        (Kind::PolicyDenied, _) => "the policy is set where the request leaves from; its log names the rule",
        (Kind::Overloaded, _) => "try again in a moment",
        (Kind::Unauthorized, _) => {
            "--token-file FILE or the variable AFIELD_TOKEN gives the executor's token"
        }
        (Kind::SessionLost, _) => "is `afield serve` running there, and is --executor its URL?",
        (Kind::Internal, _) => "please report it; AFIELD_LOG=debug tells more",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::Blame;

    /// Proves that each outcome that curl knows has curl's exit code, and the others one of afield's own.
    #[test]
    fn codes_are_curls_where_curl_has_one() {
        let error = |kind| Error::new(kind, Blame::Origin, Retry::Unknown, "m");
        let cases = [
            (Error::invalid(detail::SCHEME, "m"), 1),
            (Error::invalid(detail::URL, "m"), 3),
            (Error::invalid(detail::HEADER_NAME, "m"), 43),
            (error(Kind::Dns), 6),
            (error(Kind::Connect), 7),
            (error(Kind::OriginProtocol).with_phase(Phase::Head).with_detail(detail::NOT_HTTP), 8),
            (error(Kind::OriginProtocol).with_phase(Phase::Body), 18),
            (error(Kind::Timeout).with_phase(Phase::Connect), 28),
            (error(Kind::Tls).with_detail("incompatible"), 35),
            (error(Kind::Tls).with_detail("unknown_issuer"), 60),
            (error(Kind::OriginProtocol).with_detail(detail::TOO_MANY_REDIRECTS), 47),
            (error(Kind::OriginProtocol).with_phase(Phase::Head), 52),
            (error(Kind::OriginProtocol).with_phase(Phase::Request), 55),
            (error(Kind::OriginProtocol), 56),
            (error(Kind::OriginProtocol).with_detail(CONTENT_ENCODING).with_phase(Phase::Body), 61),
            (Error::response_body_too_large(1), 63),
            (error(Kind::PolicyDenied), 101),
            (Error::overloaded("m"), 102),
            (Error::session_lost(Retry::Unknown, "m"), 103),
            (Error::session_lost(Retry::Safe, "m"), 104),
            (error(Kind::Unauthorized), 105),
            (Error::cancelled(), 106),
            (Error::internal("m"), 120),
        ];
        for (error, expected) in cases {
            assert_eq!(code(&error).code(), expected, "{error:?}");
        }
    }
}
