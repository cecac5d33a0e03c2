use super::{
    body::{self, ReadFailure},
    client::Client,
    exit,
    head_text::heads_text,
    plan::{Plan, RequestPlan, Target},
    progress::{Progress, Transfer},
    response,
    verbose::Story,
    write_out::Facts,
};
use crate::{ExitCode, console::Stream, failure::Failure};
use afield_exchange::{Error, Head, OnInformational, Request, RequestBody};
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
        let mut request = request(plan.request, &transfer, &read_failure).await?;
        request.on_informational = Some(keep(&informational, story));
        let whole = match &request.body {
            RequestBody::Bytes(bytes) => bytes.len() as u64,
            _ => 0,
        };
        let response = client.http().stream(request).await?;
        transfer.uploaded.fetch_add(whole, Ordering::Relaxed);
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

async fn request(
    plan: RequestPlan,
    transfer: &Arc<Transfer>,
    failure: &ReadFailure,
) -> Result<Request, Failure> {
    let mut request =
        Request::new(plan.method, plan.url).body(body::open(plan.body, transfer, failure).await?);
    request.headers = plan.headers;
    request.timeout = plan.timeout;
    request.connect_timeout = plan.connect_timeout;
    request.head_timeout = plan.head_timeout;
    request.idle_timeout = plan.idle_timeout;
    request.redirect = plan.redirect;
    request.http_version = plan.http_version;
    Ok(request)
}
