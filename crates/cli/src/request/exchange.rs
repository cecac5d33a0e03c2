use super::{
    body::{self, ReadFailure},
    client::Client,
    exit,
    head_text::heads_text,
    plan::{BodyPlan, Plan, RequestPlan, Target},
    progress::{Progress, Transfer},
    response,
    verbose::Story,
    write_out::Facts,
};
use crate::{ExitCode, console::Stream, failure::Failure};
use afield_exchange::{Error, Head, Header, OnInformational, RedirectPolicy, Request, RequestBody, Response};
use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Instant,
};

/// Redirects that are followed at most, as by whoever performs a request.
const MAX_REDIRECTS: u32 = 10;

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
    plan: Plan,
    client: &Client,
    story: &Story,
    outcome: &mut Outcome,
) -> Result<ExitCode, Failure> {
    let read_failure = ReadFailure::default();
    let started = Instant::now();
    let transfer = outcome.transfer.clone();
    let body_is_seen = plan.output.target != Target::Stdout { anyway: false } || !Stream::Out.is_terminal();
    let _progress = (plan.report.progress && body_is_seen).then(|| Progress::start(transfer.clone()));
    let url = plan.request.url.clone();
    let informational = Informational::default();
    let facts = &mut outcome.facts;
    let result: Result<ExitCode, Stopped> = async {
        let listener = || keep(&informational, story);
        let response = respond(plan.request, client, story, listener, &transfer, &read_failure).await?;
        facts.start_transfer = started.elapsed();
        story.head(&response.head);
        let heads = heads_text(&taken(&informational), &response.head);
        facts.header_bytes = heads.len();
        facts.head = Some(response.head.clone());
        response::write(plan.output, heads, response, &transfer, story).await
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
/// this command can read again. Each repetition is a request of its own, judged like the first.
async fn respond(
    mut plan: RequestPlan,
    client: &Client,
    story: &Story,
    listener: impl Fn() -> OnInformational,
    transfer: &Arc<Transfer>,
    failure: &ReadFailure,
) -> Result<Response, Stopped> {
    let end = plan.timeout.map(|timeout| (Instant::now(), timeout));
    let mut redirects = 0;
    loop {
        if let Some((begun, timeout)) = end {
            plan.timeout = Some(timeout.saturating_sub(begun.elapsed()));
        }
        let mut request = request(&plan, transfer, failure).await?;
        request.on_informational = Some(listener());
        let whole = match &request.body {
            RequestBody::Bytes(bytes) => bytes.len() as u64,
            _ => 0,
        };
        // The next body, where this one is at hand.
        let kept = request.body.again();
        let response = client.http().stream(request).await.map_err(|error| match redirects {
            0 => error,
            before => {
                let hop = before + error.hop().unwrap_or(0);
                error.with_hop(hop)
            }
        })?;
        transfer.uploaded.fetch_add(whole, Ordering::Relaxed);
        let Some((url, headers)) = repeated(&plan, &response.head, kept.as_ref()) else {
            return Ok(response);
        };
        drop(response);
        if redirects == MAX_REDIRECTS {
            let message = format!("more than {MAX_REDIRECTS} redirects");
            return Err(Failure::new(ExitCode::TooManyRedirects, message).into());
        }
        redirects += 1;
        match kept {
            Some(RequestBody::Bytes(bytes)) => plan.body = BodyPlan::Bytes(bytes),
            _ if body::can_be_read_again(&plan.body) => {}
            _ => return Err(cannot_rewind(&plan.body).into()),
        }
        story.tell("redirected by an answer that wants the body too: it is read again and sent there");
        transfer.uploaded.store(0, Ordering::Relaxed);
        (plan.url, plan.headers) = (url, headers);
    }
}

/// Where to repeat the request, and with which fields, if it was not redirected only because its body could not be repeated
/// over there.
fn repeated(plan: &RequestPlan, head: &Head, kept: Option<&RequestBody>) -> Option<(String, Vec<Header>)> {
    let followed = head.timings.as_ref().map(|timings| timings.redirects);
    let was_body = match kept {
        Some(RequestBody::Empty) => false,
        // Who performed it had it whole, and may yet have kept none of it.
        Some(_) => followed == Some(0),
        None => followed.unwrap_or(0) == 0,
    };
    if plan.redirect != RedirectPolicy::Follow || !was_body {
        return None;
    }
    afield_egress::repeated(&plan.method, &plan.url, &plan.headers, head)
}

fn cannot_rewind(body: &BodyPlan) -> Failure {
    let what = match body {
        BodyPlan::Source { source, .. } => source.to_string(),
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
    request.redirect = plan.redirect;
    request.http_version = plan.http_version;
    Ok(request)
}
