//! Sending, and the redirects that MCP can follow.
//!
//! 307 and 308 within one origin repeat the method and the message. 301, 302 and 303 would turn a message into a `GET`
//! and lose it, and another origin must not learn the session, the token or the caller's fields: those are the answer.

use crate::answer::Answer;
use afield_client::HttpClient;
use afield_exchange::{Blame, Error, Kind, Phase, RedirectPolicy, Request, Retry, detail};
use http::StatusCode;
use url::Url;

/// Redirects that are followed at most.
const MAX_REDIRECTS: u32 = 10;

/// Performs the request up to the head of the answer. Its body is none or whole, so that it can be sent again.
///
/// Cancel safe: dropping the future cancels the exchange.
pub(crate) async fn send(client: &dyn HttpClient, mut request: Request) -> Result<Answer, Error> {
    request.redirect = RedirectPolicy::Stop;
    for _ in 0..=MAX_REDIRECTS {
        let again = repeated(&request);
        let answer = Answer::new(client.stream(request).await?)?;
        let Some(location) = target(&answer, &again.url) else { return Ok(answer) };
        tracing::debug!(status = %answer.status(), to = location.path(), "following a redirect within the origin");
        request = Request { url: location.into(), ..again };
    }
    Err(too_many())
}

/// The same request once more.
pub(crate) fn repeated(request: &Request) -> Request {
    request.again().expect("a message is none or whole")
}

/// Where the answer sends the same request, if that is within the origin.
fn target(answer: &Answer, from: &str) -> Option<Url> {
    if !matches!(answer.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
        return None;
    }
    let location = std::str::from_utf8(answer.field("location")?).ok()?;
    let from = Url::parse(from).ok()?;
    let to = from.join(location).ok()?;
    (to.origin() == from.origin()).then_some(to)
}

fn too_many() -> Error {
    let message = format!("the server redirected more than {MAX_REDIRECTS} times");
    Error::new(Kind::OriginProtocol, Blame::Origin, Retry::No, message)
        .with_detail(detail::TOO_MANY_REDIRECTS)
        .with_phase(Phase::Head)
        .with_hop(MAX_REDIRECTS)
}
