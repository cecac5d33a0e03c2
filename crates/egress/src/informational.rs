//! Informational (1xx) responses, and how large a response head may be.

use crate::hop::Hop;
use crate::response;
use afield_exchange::{Head, Limits, OnInformational};
use http::{Request, StatusCode};
use std::sync::Arc;

/// Bytes of an HTTP/1 head beyond the names and values of its fields: what separates them, and the status line.
const SEPARATORS: usize = 8;
const STATUS_LINE: usize = 8 * 1024;

/// The largest head that is read at all. What its fields come to is counted once they are known.
pub(crate) fn raw_head_bytes(limits: &Limits) -> usize {
    let separators = limits.response_header_count.saturating_mul(SEPARATORS);
    limits.response_headers_bytes.saturating_add(separators).saturating_add(STATUS_LINE)
}

/// Counts the informational responses to a request over HTTP/1 and passes them on. Returns how many there may be.
pub(crate) fn listen<B>(
    request: &mut Request<B>,
    hop: &Arc<Hop>,
    limits: &Limits,
    listener: Option<&OnInformational>,
) -> usize {
    let most = limits.informational_responses;
    let (hop, listener) = (Arc::clone(hop), listener.cloned());
    hyper::ext::on_informational(request, move |response| {
        note(response.status(), response.headers(), &hop, most, listener.as_ref());
    });
    most
}

/// One informational response has come.
pub(crate) fn note(
    status: StatusCode,
    headers: &http::HeaderMap,
    hop: &Hop,
    most: usize,
    listener: Option<&OnInformational>,
) {
    if hop.informed() > most {
        return;
    }
    if status == StatusCode::CONTINUE {
        hop.release_body();
    }
    if let Some(listener) = listener {
        listener.call(Head::new(status.as_u16(), response::fields(headers, &[])));
    }
}
