//! A request made an exchange, and its answer.

use crate::{
    answer::{self, Asked},
    authorize::{Authorize, Secret},
    between::{self, BetweenEvents},
    body::Body,
    headers, index,
    informational::Heads,
    listener::Entrance,
    opening,
    refusal::Refusal,
    route::Route,
    shared::Shared,
    socket::Socket,
    target::{self, Target},
    upload::{self, Upload},
};
use afield_client::HttpClient;
use afield_exchange::{Error, Header, RedirectPolicy, Request, Response};
use http::{StatusCode, Version, header::AUTHORIZATION, request::Parts};
use hyper::body::Incoming;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::{Instrument, Span, field::Empty};

/// How long an executor keeps a session's stream without us. Nobody can take it over from a gateway that is gone, and many
/// servers refuse another one as long as it is there: hosts ask again after a second.
const KEPT: Duration = Duration::from_millis(750);

/// Answers a request, with whatever there is to be said. Dropping the future cancels the exchange.
pub(crate) async fn answer(
    shared: &Shared,
    socket: &Socket,
    entrance: &Entrance,
    request: http::Request<Incoming>,
    leftovers: mpsc::Sender<Incoming>,
) -> http::Response<Body> {
    let span = tracing::debug_span!("relay", method = %request.method(), route = Empty);
    let request = request.map(|body| (body, leftovers));
    match relay(shared, socket, entrance, request).instrument(span.clone()).await {
        Ok(answer) => answer,
        Err(refusal) => {
            let (status, kind) = (refusal.status().as_u16(), refusal.error().kind().as_str());
            tracing::debug!(status, kind, "answered by the gateway");
            refusal.response()
        }
    }
}

async fn relay(
    shared: &Shared,
    socket: &Socket,
    entrance: &Entrance,
    request: http::Request<(Incoming, mpsc::Sender<Incoming>)>,
) -> Result<http::Response<Body>, Refusal> {
    let (parts, (body, leftovers)) = request.into_parts();
    let upload = Upload::new(body, headers::expects_continue(&parts.headers), leftovers);
    let live = shared.live();
    let (client, route, url) = match target::of(&parts, entrance, &live)? {
        Target::Index => return Ok(index::index(&live.routes, live.proxy.is_some())),
        Target::Ready => return Ok(index::ready(&parts.method)),
        Target::Route(route, url) => (route.client(), Some(route), url),
        Target::Proxy(client, url) => (client, None, url),
    };
    Span::current().record("route", route.map_or("", Route::name));
    live.own.check(&url)?;
    let _turn = shared.openings.turn(&parts.method, &parts.headers, &url).await;
    let asked = Asked {
        method: parts.method.clone(),
        version: parts.version,
        trailers: headers::wants_trailers(&parts.headers),
    };
    let (body, trailers) = upload::take(upload).await?;
    // To HTTP/1.0 there are none (RFC 9110, section 15.2).
    let heads = Heads::default();
    let listener = (parts.version == Version::HTTP_11).then(|| heads.listener());
    let request = Request {
        headers: fields(&parts, route),
        body,
        trailers,
        redirect: RedirectPolicy::Stop,
        keep: opening::is_stream(&parts.method, &parts.headers).then_some(KEPT),
        on_informational: listener,
        ..Request::new(parts.method.as_str(), url.clone())
    };
    let answer = async {
        match route.and_then(Route::authorizer) {
            Some(authorize) if !has_authorization(&request) => {
                authorized(&**client, authorize, request).await
            }
            _ => client.stream(request).await,
        }
    };
    let response = heads.passed_until(socket, answer).await?;
    shared.openings.answered(&url, &parts.headers, &response.head);
    let ending = between::is_asked_for_again(&parts.method, &parts.headers)
        .then(|| BetweenEvents::of(&response.head, &shared.draining))
        .flatten();
    Ok(answer::of(response, &asked, socket, ending).await?)
}

/// What the caller sent, and what its route adds.
fn fields(parts: &Parts, route: Option<&Route>) -> Vec<Header> {
    let mut fields = headers::of_request(&parts.headers);
    let given = fields.len();
    for header in route.into_iter().flat_map(Route::headers) {
        if !fields[..given].iter().any(|field| field.is(&header.name)) {
            fields.push(header.clone());
        }
    }
    fields
}

fn has_authorization(request: &Request) -> bool {
    request.headers.iter().any(|header| header.is(AUTHORIZATION.as_str()))
}

/// Sends the request with the route's token; once more if the origin refuses it and there is another.
async fn authorized(
    client: &dyn HttpClient,
    authorize: &dyn Authorize,
    mut request: Request,
) -> Result<Response, Error> {
    let url = request.url.clone();
    let again = request.again();
    let token = authorize.bearer(&url).await?;
    request.headers.extend(token.as_ref().map(authorization));
    let response = client.stream(request).await?;
    let is_refusal = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN]
        .iter()
        .any(|status| response.head.status == status.as_u16());
    if !is_refusal {
        return Ok(response);
    }
    let better = authorize.refused(&url, token.as_ref(), &response.head).await?;
    let (Some(better), Some(mut again)) = (better, again) else { return Ok(response) };
    drop(response);
    again.headers.push(authorization(&better));
    client.stream(again).await
}

fn authorization(token: &Secret) -> Header {
    Header::new(AUTHORIZATION.as_str(), format!("Bearer {}", token.expose()))
}
