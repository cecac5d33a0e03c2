use super::{
    data::{self, Data},
    flags::Flags,
    headers,
    source::Source,
    url,
    write_out::Format,
};
use crate::{
    failure::Failure,
    place::{Place, Reach},
    token::Token,
};
use afield_exchange::{Header, RedirectPolicy, VersionPreference};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use std::{path::PathBuf, time::Duration};

/// What an `afield request` is to do: nothing in it depends on how it was typed.
#[derive(Debug)]
pub(crate) struct Plan {
    pub place: Place,
    pub reach: Reach,
    pub token: Option<Token>,
    pub ca: Option<PathBuf>,
    pub connect_timeout: Option<Duration>,
    pub request: RequestPlan,
    pub output: OutputPlan,
    pub report: ReportPlan,
}

#[derive(Debug)]
pub(crate) struct RequestPlan {
    pub method: String,
    pub url: String,
    pub headers: Vec<Header>,
    pub body: BodyPlan,
    pub timeout: Option<Duration>,
    pub connect_timeout: Option<Duration>,
    pub head_timeout: Option<Duration>,
    pub idle_timeout: Option<Duration>,
    pub redirect: RedirectPolicy,
    pub http_version: VersionPreference,
}

#[derive(Debug)]
pub(crate) enum BodyPlan {
    Empty,
    Bytes(Bytes),
    /// Read while it is sent. `measured`: a small one is read first, so that its length is announced.
    Source {
        source: Source,
        measured: bool,
    },
}

#[derive(Debug)]
pub(crate) struct OutputPlan {
    pub target: Target,
    /// The head goes before the body.
    pub include_head: bool,
    /// No body is wanted.
    pub head_only: bool,
    pub dump_head: Option<Target>,
    /// Decode the body, up to this many bytes.
    pub decode: Option<u64>,
    pub max_bytes: Option<u64>,
    pub on_http_error: OnHttpError,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Standard output. `anyway`: also binary data to a terminal.
    Stdout {
        anyway: bool,
    },
    File(PathBuf),
}

/// What a status of 400 or more means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnHttpError {
    Nothing,
    FailWithoutBody,
    FailWithBody,
}

#[derive(Debug)]
pub(crate) struct ReportPlan {
    pub verbose: bool,
    pub errors: bool,
    pub progress: bool,
    pub write_out: Option<Format>,
}

impl Plan {
    /// Works out what the flags mean. Reads the files that they name, but not a body that can be streamed.
    pub fn of(mut flags: Flags) -> Result<Self, Failure> {
        let typed = flags.url.take().or(flags.url_flag.take()).unwrap_or_default();
        let mut url = url::with_scheme(&typed);
        let has_data = !flags.pieces.is_empty();
        let is_json = flags.pieces.iter().any(data::Piece::is_json);
        let posts = has_data && !flags.get;
        only_one_method(&flags, posts)?;

        let mut body = BodyPlan::Empty;
        if has_data {
            match data::assemble(&flags.pieces)? {
                Data::Bytes(bytes) if flags.get => url = url::with_query(&url, &bytes)?,
                Data::Source(source) if flags.get => url = url::with_query(&url, &data::read(&source)?)?,
                Data::Bytes(bytes) => body = BodyPlan::Bytes(bytes.into()),
                Data::Source(source) => body = BodyPlan::Source { source, measured: true },
            }
        }
        if let Some(file) = &flags.upload_file {
            let source = match file.to_str() {
                Some("-" | ".") => Source::Stdin,
                _ => Source::File(file.clone()),
            };
            url = url::with_upload_name(&url, &source);
            body = BodyPlan::Source { measured: source != Source::Stdin, source };
        }
        let method = match &flags.method {
            Some(method) => method.clone(),
            None if flags.head => "HEAD".into(),
            None if flags.upload_file.is_some() => "PUT".into(),
            None if posts => "POST".into(),
            None => "GET".into(),
        };
        let headers = headers::assemble(&flags.headers, default_headers(&flags, posts, is_json)?)?;
        let target = match flags.output.take() {
            Some(path) => target_at(path),
            None if flags.remote_name => Target::File(url::remote_name(&url)?),
            None => Target::Stdout { anyway: false },
        };
        Ok(Self {
            place: flags.place.place(),
            reach: flags.place.reach.reach()?,
            token: Token::find(flags.place.token_file.as_deref())?,
            ca: flags.place.ca.take(),
            connect_timeout: limit(flags.connect_timeout),
            request: RequestPlan {
                method,
                url,
                headers,
                body,
                timeout: limit(flags.max_time),
                connect_timeout: limit(flags.connect_timeout),
                head_timeout: limit(flags.head_timeout),
                idle_timeout: limit(flags.idle_timeout),
                redirect: if flags.location { RedirectPolicy::Follow } else { RedirectPolicy::Stop },
                http_version: match (flags.http1_1, flags.http2, flags.http2_prior_knowledge) {
                    (true, ..) => VersionPreference::Http1,
                    (_, true, _) => VersionPreference::Http2,
                    (.., true) => VersionPreference::Http2PriorKnowledge,
                    _ => VersionPreference::Auto,
                },
            },
            output: OutputPlan {
                target,
                include_head: flags.include || flags.head,
                head_only: flags.head,
                dump_head: flags.dump_header.take().map(target_at),
                decode: flags.compressed.then_some(flags.max_decoded.0),
                max_bytes: flags.max_filesize.map(|size| size.0).filter(|&bytes| bytes > 0),
                on_http_error: match (flags.fail, flags.fail_with_body) {
                    (true, _) => OnHttpError::FailWithoutBody,
                    (_, true) => OnHttpError::FailWithBody,
                    _ => OnHttpError::Nothing,
                },
            },
            report: ReportPlan {
                verbose: flags.verbose,
                errors: !flags.silent || flags.show_error,
                progress: !flags.silent && !flags.no_progress_meter && !flags.verbose,
                write_out: flags.write_out.as_deref().map(Format::load).transpose()?,
            },
        })
    }
}

fn only_one_method(flags: &Flags, posts: bool) -> Result<(), Failure> {
    let asked: Vec<&str> =
        [(posts, "POST (data)"), (flags.head, "HEAD (-I)"), (flags.upload_file.is_some(), "PUT (-T)")]
            .into_iter()
            .filter_map(|(asked, name)| asked.then_some(name))
            .collect();
    match asked.as_slice() {
        [first, second, ..] => Err(Failure::usage(format!("{first} and {second} exclude each other"))),
        _ => Ok(()),
    }
}

fn default_headers(flags: &Flags, posts: bool, is_json: bool) -> Result<Vec<Header>, Failure> {
    let mut headers = Vec::new();
    if let Some(user) = &flags.user {
        if !user.contains(':') {
            return Err(Failure::usage("--user has no password: it is never asked for").with_hint(
                "write -u USER:PASSWORD, or -u USER: for none; -H @FILE keeps it off the command line",
            ));
        }
        headers.push(Header::new("Authorization", format!("Basic {}", STANDARD.encode(user))));
    } else if let Some(token) = &flags.oauth2_bearer {
        headers.push(Header::new("Authorization", format!("Bearer {token}")));
    }
    match flags.user_agent.as_deref() {
        Some("") => {}
        Some(name) => headers.push(Header::new("User-Agent", name.to_owned())),
        None => headers.push(Header::new("User-Agent", concat!("afield/", env!("CARGO_PKG_VERSION")))),
    }
    headers.push(Header::new("Accept", if is_json { "application/json" } else { "*/*" }));
    if flags.compressed {
        headers.push(Header::new("Accept-Encoding", afield_exchange::decode::ACCEPTED));
    }
    if flags.cookie.iter().any(|cookie| !cookie.contains('=')) {
        return Err(Failure::usage("a --cookie is not `name=value`; cookie files are not read")
            .with_hint("write -b 'name=value; other=value'"));
    }
    if !flags.cookie.is_empty() {
        headers.push(Header::new("Cookie", flags.cookie.join("; ")));
    }
    if posts {
        let media_type = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
        headers.push(Header::new("Content-Type", media_type));
    }
    Ok(headers)
}

fn target_at(path: PathBuf) -> Target {
    if path.as_os_str() == "-" { Target::Stdout { anyway: true } } else { Target::File(path) }
}

/// In curl's flags zero is no limit.
fn limit(asked: Option<Duration>) -> Option<Duration> {
    asked.filter(|duration| !duration.is_zero())
}
