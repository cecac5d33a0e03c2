use afield_client::HttpClient;
use afield_exchange::{Blame, Error, Head, Kind, Phase, Request, Retry};
use afield_testkit::{pattern, within};

/// All that a caller can see of an exchange.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: (usize, String),
    },
    Failed(Failure),
    /// Failed after the head and so many bytes.
    Broken {
        status: u16,
        headers: Vec<(String, String)>,
        read: usize,
        failure: Failure,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub kind: Kind,
    pub blame: Blame,
    pub retry: Retry,
    pub phase: Option<Phase>,
    pub detail: Option<String>,
    pub hop: Option<u32>,
    pub message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind(),
            blame: error.blame(),
            retry: error.retry(),
            phase: error.phase(),
            detail: error.detail().map(str::to_owned),
            hop: error.hop(),
            message: error.message().to_owned(),
        }
    }
}

impl Outcome {
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Answer { .. } => None,
            Self::Failed(failure) | Self::Broken { failure, .. } => Some(failure.kind),
        }
    }

    /// The one thing that the text of a failed body does not tell.
    pub fn without_hop_of_body(mut self) -> Self {
        if let Self::Broken { failure, .. } = &mut self {
            failure.hop = None;
        }
        self
    }
}

fn headers(head: &Head) -> Vec<(String, String)> {
    head.headers.iter().map(|header| (header.name.clone(), header.value.escape_ascii().to_string())).collect()
}

fn body(bytes: &[u8]) -> (usize, String) {
    (bytes.len(), pattern::sha256_of(bytes))
}

/// Performs a buffered exchange.
pub async fn buffered(client: &dyn HttpClient, request: Request) -> Outcome {
    match within("a buffered exchange ends", client.call(request)).await {
        Ok(answer) => Outcome::Answer {
            status: answer.head.status,
            headers: headers(&answer.head),
            body: body(&answer.body),
        },
        Err(error) => Outcome::Failed(error.into()),
    }
}

/// Performs a streamed exchange, up to the end of the body.
pub async fn streamed(client: &dyn HttpClient, request: Request) -> Outcome {
    let mut response = match within("a streamed exchange has a head", client.stream(request)).await {
        Ok(response) => response,
        Err(error) => return Outcome::Failed(error.into()),
    };
    let (status, headers) = (response.head.status, headers(&response.head));
    let mut read = Vec::new();
    loop {
        match within("a streamed body goes on", response.body.next()).await {
            Some(Ok(bytes)) => read.extend_from_slice(&bytes),
            Some(Err(error)) => {
                assert!(response.body.next().await.is_none(), "one error, then the end");
                return Outcome::Broken { status, headers, read: read.len(), failure: error.into() };
            }
            None => return Outcome::Answer { status, headers, body: body(&read) },
        }
    }
}
