//! An opening for the fuzz targets, which see what a caller cannot: the fields as they would be sent, and heads as an origin
//! could answer.

use crate::hop::Hop;
use crate::request::headers::{self, Completion, Scope};
use crate::request::{target::Target, upload::Upload, variables::NoVariables};
use crate::secrets::{Going, Secrets};
use crate::{http1, informational, response};
use afield_exchange::{Error, Head, Header, Limits, RequestBody, Timings};
use http::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

/// The fields that the first hop of a request to `url` would carry, before any network.
///
/// # Errors
///
/// As [`Egress::send`](crate::Egress::send), for the URL and the header fields.
pub fn fields(url: &str, fields: &[Header], limits: &Limits) -> Result<HeaderMap, Error> {
    let (target, _) = Target::parse(url, limits.url_bytes)?;
    let going = Going { target: &target, method: "GET", principal: None };
    let completion = Completion { variables: &NoVariables, secrets: &Secrets::default(), going };
    headers::of_hop(fields, limits, Scope::default(), &completion, &mut Vec::new())
}

/// The head that a caller would see if an origin answered with these bytes, and how many informational ones came before it.
/// `None` if that is no answer.
pub fn response(answer: &[u8], limits: &Limits) -> Option<(Head, usize)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    runtime.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(answer.len().max(64 * 1024));
        let (mut sender, driver) = http1::settings(limits).handshake(TokioIo::new(ours)).await.ok()?;
        let hop = Arc::new(Hop::new(0, None, false, false));
        let mut request = Request::new(Upload::new(RequestBody::Empty, None, &hop));
        let most = informational::listen(&mut request, &hop, limits, None);
        let answering = async {
            // The request is written into the other half, which has room for it.
            let _ = theirs.write_all(answer).await;
            let _ = theirs.shutdown().await;
        };
        let exchange = async {
            let mut sent = std::pin::pin!(sender.send_request(request));
            let driving = async move { drop(driver.await) };
            tokio::select! {
                biased;
                answer = &mut sent => answer.ok(),
                () = driving => sent.await.ok(),
            }
        };
        let (answer, ()) = tokio::join!(exchange, answering);
        let (parts, _) = answer?.into_parts();
        let refused = response::is_too_large(&parts.headers, limits) || response::refused(&parts).is_some();
        (!refused && hop.informational() <= most)
            .then(|| (response::head(&parts, &[], Timings::default()), hop.informational()))
    })
}
