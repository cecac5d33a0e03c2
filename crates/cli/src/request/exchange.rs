use super::{
    body::{self, ReadFailure},
    client::Client,
    exit,
    head_text::heads_text,
    plan::{BodyPlan, RequestPlan, Target, Transfer as TransferPlan},
    progress::{Progress, Transfer},
    response,
    verbose::Story,
    write_out::Facts,
};
use crate::{ExitCode, console::Stream, failure::Failure};
use afield_egress::Next;
use afield_exchange::{Error, Head, Header, OnInformational, RedirectPolicy, Request, RequestBody, Response};
use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Instant,
};

/// What is known of an exchange, also of one that failed or was interrupted.
pub(crate) struct Outcome {
    pub facts: Facts,
    transfer: Arc<Transfer>,
}

impl Outcome {
    /// Nothing has happened yet.
    pub fn new(facts: Facts) -> Self {
        Self { facts, transfer: Arc::default() }
    }
}

/// Why an exchange came to nothing: it failed, or something around it did.
pub(super) enum Stopped {
    Exchange(Error),
    Command(Failure),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Exchange(error)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Command(failure)
    }
}

/// Sends the request and writes the response where it belongs.
pub(crate) async fn perform(
    plan: TransferPlan,
    shows_progress: bool,
    client: &Client,
    story: &Story,
    outcome: &mut Outcome,
) -> Result<ExitCode, Failure> {
    let read_failure = ReadFailure::default();
    let started = Instant::now();
    let transfer = outcome.transfer.clone();
    let body_is_seen = plan.output.target != Target::Stdout { anyway: false } || !Stream::Out.is_terminal();
    let _progress = (shows_progress && body_is_seen).then(|| Progress::start(transfer.clone()));
    let url = plan.request.url.clone();
    let informational = Informational::default();
    let facts = &mut outcome.facts;
    let result: Result<ExitCode, Stopped> = async {
        let listener = || keep(&informational, story);
        let resumes = plan.request.method == "GET";
        let mut heads = Vec::new();
        let mut seen = |head: &Head| heads.extend(heads_text(&taken(&informational), head));
        let (response, effective) =
            respond(plan.request, client, story, listener, &mut seen, &transfer, &read_failure).await?;
        facts.start_transfer = started.elapsed();
        story.head(&response.head);
        seen(&response.head);
        facts.effective = effective;
        facts.header_bytes = heads.len();
        facts.head = Some(response.head.clone());
        response::write(plan.output, resumes, heads, response, &transfer, story).await
    }
    .await;
    facts.downloaded = transfer.downloaded.load(Ordering::Relaxed);
    facts.uploaded = transfer.uploaded.load(Ordering::Relaxed);
    result.map_err(|stopped| match (read_failure.get(), stopped) {
        // A body that could not be read makes the exchange fail; the cause is what is worth telling.
        (Some(failure), _) => failure.clone(),
        (None, Stopped::Command(failure)) => failure,
        (None, Stopped::Exchange(error)) => {
            story.error(&error);
            exit::failure(&error, &url)
        }
    })
}

/// The informational responses, in order. Whoever performs the exchange limits them.
type Informational = Arc<Mutex<Vec<Head>>>;

/// Tells of them as they come, and keeps them.
fn keep(informational: &Informational, story: &Story) -> OnInformational {
    let (informational, story) = (informational.clone(), story.clone());
    OnInformational::new(move |head| {
        story.informational(&head);
        informational.lock().unwrap_or_else(PoisonError::into_inner).push(head);
    })
}

fn taken(informational: &Informational) -> Vec<Head> {
    std::mem::take(&mut *informational.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Sends the request, once more for each redirect that was handed back for its body's sake: what a streamed body was, only
/// this command can read again; or for each redirect at all, where it is to be followed from here. Each repetition is a request
/// of its own, judged like the first. Answers with where it ended, where that is known.
async fn respond(
    mut plan: RequestPlan,
    client: &Client,
    story: &Story,
    listener: impl Fn() -> OnInformational,
    seen: &mut impl FnMut(&Head),
    transfer: &Arc<Transfer>,
    failure: &ReadFailure,
) -> Result<(Response, Option<String>), Stopped> {
    let begun = Instant::now();
    let timeout = plan.timeout;
    let (mut redirects, mut connections) = (0, 0);
    loop {
        let before = begun.elapsed();
        plan.timeout = timeout.map(|timeout| timeout.saturating_sub(before));
        let mut request = request(&plan, transfer, failure).await?;
        request.on_informational = Some(listener());
        request.on_request_id = story.request_id();
        let whole = match &request.body {
            RequestBody::Bytes(bytes) => bytes.len() as u64,
            _ => 0,
        };
        // The next body, where this one is at hand.
        let kept = request.body.again();
        let mut response = client.http().stream(request).await.map_err(|error| match redirects {
            0 => error,
            before => {
                let hop = before + error.hop().unwrap_or(0);
                error.with_hop(hop)
            }
        })?;
        transfer.uploaded.fetch_add(whole, Ordering::Relaxed);
        let Some(next) = next(&plan, &response.head, kept.as_ref()) else {
            if let Some(timings) = response.head.timings.as_deref_mut().filter(|_| redirects > 0) {
                timings.redirects += redirects;
                timings.connections += connections;
                timings.redirect += before;
            }
            let effective = (plan.hops.own && redirects > 0).then_some(plan.url);
            return Ok((response, effective));
        };
        if plan.hops.own {
            seen(&response.head);
        }
        connections += response.head.timings.as_deref().map_or(0, |timings| timings.connections);
        drop(response);
        if plan.hops.most == Some(redirects) {
            let message = format!("more than {redirects} redirects");
            return Err(Failure::new(ExitCode::TooManyRedirects, message).into());
        }
        if !plan.hops.protocols.allow(&next.url) {
            let message = "--proto-redir does not allow the scheme of a redirect";
            return Err(Failure::new(ExitCode::UnsupportedScheme, message).into());
        }
        redirects += 1;
        if next.lost_body {
            plan.body = BodyPlan::Empty;
        } else {
            match kept {
                Some(RequestBody::Bytes(bytes)) => plan.body = BodyPlan::Bytes(bytes),
                _ if body::can_be_read_again(&plan.body) => {}
                _ => return Err(cannot_rewind(&plan.body).into()),
            }
            if !matches!(plan.body, BodyPlan::Empty) {
                story
                    .tell("redirected by an answer that wants the body too: it is read again and sent there");
            }
        }
        transfer.uploaded.store(0, Ordering::Relaxed);
        let from = std::mem::replace(&mut plan.url, next.url);
        (plan.method, plan.headers) = (next.method, next.headers);
        if plan.hops.refers {
            plan.headers.retain(|header| !header.is("referer"));
            plan.headers.extend(referer(&from).map(|from| Header::new("Referer", from)));
        }
    }
}

/// Where a redirect came from, without what is nobody's business.
fn referer(url: &str) -> Option<String> {
    let mut url = url::Url::parse(url).ok()?;
    url.set_fragment(None);
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url.into())
}

/// The request that a redirect leads to, if this command is to send it: each, where it follows hop by hop, else one that was
/// handed back only because its body could not be repeated over there.
fn next(plan: &RequestPlan, head: &Head, kept: Option<&RequestBody>) -> Option<Next> {
    if plan.redirect != RedirectPolicy::Follow {
        return None;
    }
    let of = || afield_egress::next_hop(&plan.method, &plan.url, &plan.headers, head, plan.hops.following);
    if plan.hops.own {
        return of();
    }
    let followed = head.timings.as_ref().map(|timings| timings.redirects);
    let was_body = match kept {
        Some(RequestBody::Empty) => false,
        // Who performed it had it whole, and may yet have kept none of it.
        Some(_) => followed == Some(0),
        None => followed.unwrap_or(0) == 0,
    };
    of().filter(|next| was_body && !next.lost_body)
}

fn cannot_rewind(body: &BodyPlan) -> Failure {
    let what = match body {
        BodyPlan::Source { source, .. } => source.to_string(),
        BodyPlan::Parts(_) => "a file of the form".to_owned(),
        BodyPlan::Empty | BodyPlan::Bytes(_) => "the body".to_owned(),
    };
    Failure::new(
        ExitCode::Rewind,
        format!("redirected, and {what} cannot be read again: the body has arrived nowhere else"),
    )
    .with_hint("send it to where the redirect leads (-D - without -L shows that), or from a regular file")
}

async fn request(
    plan: &RequestPlan,
    transfer: &Arc<Transfer>,
    failure: &ReadFailure,
) -> Result<Request, Failure> {
    let body = body::open(&plan.body, transfer, failure).await?;
    let mut request = Request::new(plan.method.clone(), plan.url.clone()).body(body);
    request.headers = plan.headers.clone();
    request.timeout = plan.timeout;
    request.connect_timeout = plan.connect_timeout;
    request.head_timeout = plan.head_timeout;
    request.idle_timeout = plan.idle_timeout;
    request.redirect = if plan.hops.own { RedirectPolicy::Stop } else { plan.redirect };
    request.http_version = plan.http_version;
    Ok(request)
}
