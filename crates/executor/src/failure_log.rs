use afield_egress::Egress;
use afield_exchange::{Error, Kind, Phase};
use afield_protocol::server::Reply;

/// Logs that a request has failed. This is the executor's only line about it.
///
/// Lines that are logged by default name the request themselves, since its span is there at `debug` alone.
pub(crate) fn log(error: &Error, egress: &Egress, session: &str, reply: &Reply) {
    let kind = error.kind().as_str();
    let (phase, hop, detail) = (error.phase().map(Phase::as_str), error.hop(), error.log());
    match error.kind() {
        Kind::Internal => tracing::error!(
            kind, phase, hop, detail, %error, session, request = reply.request_name(), "a request failed by a defect"
        ),
        Kind::PolicyDenied => tracing::info!(
            kind, hop, detail, %error, principal = egress.principal(), session, request = reply.request_name(),
            "a request was denied"
        ),
        _ => tracing::debug!(kind, phase, hop, detail, %error, "a request failed"),
    }
}
