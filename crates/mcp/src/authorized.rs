//! Requests that carry a token, and what is done when it is refused.

use crate::{
    TransportError,
    answer::Answer,
    login::{AuthorizeError, Authorizer, Bearer, Challenge, Verdict},
    redirect,
};
use afield_client::HttpClient;
use afield_exchange::Request;
use http::StatusCode;

/// Sends a request with the server's token. One that is refused for its token is sent once more, if there is a better one:
/// it was not executed. Without a token, or with none that is any better, the server's answer is the answer.
///
/// Cancel safe: dropping the future cancels the exchange. A renewal goes on.
pub(crate) async fn send(
    client: &dyn HttpClient,
    authorizer: &Authorizer,
    request: Request,
) -> Result<Answer, TransportError> {
    let bearer = match authorizer.bearer().await {
        Ok(bearer) => bearer,
        // The server says itself what it wants, in its challenge.
        Err(AuthorizeError::LoginNeeded(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let again = redirect::repeated(&request);
    let answer = redirect::send(client, carrying(request, bearer.as_ref())).await?;
    let challenge = Challenge::of(answer.head());
    let refused = match answer.status() {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => challenge.as_ref().is_some_and(Challenge::is_insufficient_scope),
        _ => false,
    };
    if !refused {
        return Ok(answer);
    }
    match authorizer.refused(bearer.as_ref(), challenge.as_ref()).await? {
        Verdict::Retry(bearer) => {
            drop(answer);
            Ok(redirect::send(client, carrying(again, Some(&bearer))).await?)
        }
        Verdict::GiveUp(needed) => {
            tracing::debug!(%needed, "a request was refused");
            Ok(answer)
        }
    }
}

fn carrying(mut request: Request, bearer: Option<&Bearer>) -> Request {
    request.headers.extend(bearer.map(Bearer::header));
    request
}
