use super::{
    data::{self, Data},
    etag,
    file_plan::FilePlan,
    flags::Flags,
    form::{self, Part},
    glob::{self, Globbed},
    headers,
    hops::Hops,
    protocols::Protocols,
    retries::Retries,
    source::Source,
    url,
    write_out::Format,
};
use crate::{
    ExitCode,
    config_flags::ConfigFlags,
    failure::Failure,
    mcp::placed,
    place::{Place, Reach},
    token::Token,
};
use afield_client::RemoteConfig;
use afield_exchange::{Header, RedirectPolicy, VersionPreference};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// What an `afield request` is to do: nothing in it depends on how it was typed.
#[derive(Debug)]
pub(crate) struct Plan {
    pub place: Place,
    /// How the executor is reached, where it is one of the configuration.
    pub named: Option<Named>,
    pub reach: Reach,
    pub token: Option<Token>,
    pub ca: Option<PathBuf>,
    pub connect_timeout: Option<Duration>,
    pub transfers: Vec<Transfer>,
    pub retries: Retries,
    /// The first failure is the end.
    pub fail_early: bool,
    pub report: ReportPlan,
}

/// One URL.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    /// Which of the URLs as typed it is of.
    pub number: u64,
    pub request: RequestPlan,
    pub output: OutputPlan,
}

/// How an executor of the configuration is reached.
#[derive(Clone)]
pub(crate) struct Named(pub RemoteConfig);

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Named(…)")
    }
}

#[derive(Clone, Debug)]
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
    pub hops: Hops,
    pub http_version: VersionPreference,
}

#[derive(Clone, Debug)]
pub(crate) enum BodyPlan {
    Empty,
    Bytes(Bytes),
    /// Read while it is sent. `measured`: a small one is read first, so that its length is announced.
    Source {
        source: Source,
        measured: bool,
    },
    /// One after the other.
    Parts(Vec<Part>),
}

#[derive(Clone, Debug)]
pub(crate) struct OutputPlan {
    pub target: Target,
    pub file: FilePlan,
    /// Where the ETag goes.
    pub etag: Option<Target>,
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
        let write_out = flags.write_out.as_deref().map(Format::load).transpose()?;
        let place = flags.place.place();
        let named = named(&place)?;
        let transfers = transfers(&mut flags, write_out.as_ref())?;
        Ok(Self {
            place,
            named,
            reach: flags.place.reach.reach()?,
            token: Token::find(flags.place.token_file.as_deref())?,
            ca: flags.place.ca.take(),
            connect_timeout: limit(flags.connect_timeout),
            transfers,
            retries: Retries::of(&flags),
            fail_early: flags.fail_early,
            report: ReportPlan {
                verbose: flags.verbose,
                errors: !flags.silent || flags.show_error,
                progress: !flags.silent && !flags.no_progress_meter && !flags.verbose,
                write_out,
            },
        })
    }
}

/// The executor of the configuration that is meant, where what was typed is no URL.
fn named(place: &Place) -> Result<Option<Named>, Failure> {
    let Place::Executor(name) = place else { return Ok(None) };
    if name.contains(':') {
        return Ok(None);
    }
    let config = ConfigFlags::default().load()?;
    let placement = config.placement(name).map_err(|missing| {
        Failure::usage(missing.to_string())
            .with_hint("--executor takes a URL, or the name of an executor in the configuration")
    })?;
    placement.executor().map(|executor| placed::reach(executor).map(Named)).transpose()
}

/// One transfer for each URL.
fn transfers(flags: &mut Flags, write_out: Option<&Format>) -> Result<Vec<Transfer>, Failure> {
    let urls = std::mem::take(&mut flags.urls);
    let patterns: Vec<Vec<Globbed>> = urls
        .into_iter()
        .map(|url| if flags.globoff { Ok(vec![Globbed::plain(url)]) } else { glob::expand(&url) })
        .collect::<Result<_, _>>()?;
    let count: usize = patterns.iter().map(Vec::len).sum();
    if count > 1 && flags.upload_file.is_some() {
        return Err(Failure::usage("one file with -T is for one URL").with_hint("write --next between them"));
    }
    if count > 1 && (flags.etag_save.is_some() || flags.etag_compare.is_some()) {
        return Err(Failure::usage("--etag-save and --etag-compare are for one URL"));
    }
    let body = Body::of(flags)?;
    let typed = headers::read(&flags.headers)?;
    let mut outputs = std::mem::take(&mut flags.outputs).into_iter();
    let mut transfers = Vec::with_capacity(count);
    for (number, urls) in (0..).zip(patterns) {
        let output = match outputs.next() {
            None if flags.remote_name_all => Some(None),
            output => output,
        };
        for globbed in urls {
            let transfer = transfer(flags, &globbed, output.as_ref(), &body, &typed, write_out)?;
            transfers.push(Transfer { number, ..transfer });
        }
    }
    Ok(transfers)
}

fn transfer(
    flags: &Flags,
    globbed: &Globbed,
    output: Option<&Option<OsString>>,
    body: &Body,
    typed: &[headers::Line],
    write_out: Option<&Format>,
) -> Result<Transfer, Failure> {
    let mut url = url::with_scheme(&globbed.url, flags.proto_default.as_deref())?;
    url::refuse_zone(&url)?;
    if !flags.proto.unwrap_or(Protocols::ALL).allow(&url) {
        return Err(Failure::new(ExitCode::UnsupportedScheme, "--proto does not allow the URL's scheme"));
    }
    if let Some(query) = &body.query {
        url = url::with_query(&url, query)?;
    }
    let mut plan = body.plan.clone();
    if let Some(file) = &flags.upload_file {
        let source = match file.to_str() {
            Some("-" | ".") => Source::Stdin,
            _ => Source::File(file.clone()),
        };
        url = url::with_upload_name(&url, &source);
        plan = BodyPlan::Source { measured: source != Source::Stdin, source };
    }
    let method = match &flags.method {
        Some(method) => method.clone(),
        None if flags.head => "HEAD".into(),
        None if flags.upload_file.is_some() => "PUT".into(),
        None if body.posts => "POST".into(),
        None => "GET".into(),
    };
    let target = target(flags, globbed, &url, output)?;
    let resume = resume(flags, &target)?;
    let mut headers = headers::assemble(typed, default_headers(flags, body, resume)?);
    if let Some(boundary) = &body.boundary {
        form::announce(&mut headers, boundary)?;
    }
    let location = flags.location || flags.location_trusted;
    Ok(Transfer {
        number: 0,
        request: RequestPlan {
            method,
            url,
            headers,
            body: plan,
            timeout: limit(flags.max_time),
            connect_timeout: limit(flags.connect_timeout),
            head_timeout: limit(flags.head_timeout),
            idle_timeout: limit(flags.idle_timeout),
            redirect: if location { RedirectPolicy::Follow } else { RedirectPolicy::Stop },
            hops: Hops::of(flags, write_out),
            http_version: match (flags.http1_1, flags.http2, flags.http2_prior_knowledge) {
                (true, ..) => VersionPreference::Http1,
                (_, true, _) => VersionPreference::Http2,
                (.., true) => VersionPreference::Http2PriorKnowledge,
                _ => VersionPreference::Auto,
            },
        },
        output: OutputPlan {
            target,
            file: FilePlan {
                create_dirs: flags.create_dirs,
                no_clobber: flags.no_clobber,
                remote_time: flags.remote_time,
                remove_on_error: flags.remove_on_error,
                name_from_head: flags.remote_header_name && matches!(output, Some(None)),
                resume,
                ..FilePlan::default()
            },
            etag: flags.etag_save.clone().map(target_at),
            include_head: flags.include || flags.head,
            head_only: flags.head,
            dump_head: flags.dump_header.clone().map(target_at),
            decode: flags.compressed.then_some(flags.max_decoded.0),
            max_bytes: flags.max_filesize.map(|size| size.0).filter(|&bytes| bytes > 0),
            on_http_error: match (flags.fail, flags.fail_with_body) {
                (true, _) => OnHttpError::FailWithoutBody,
                (_, true) => OnHttpError::FailWithBody,
                _ => OnHttpError::Nothing,
            },
        },
    })
}

/// What is sent with each URL of a command.
struct Body {
    plan: BodyPlan,
    /// It goes into the query instead.
    query: Option<Vec<u8>>,
    posts: bool,
    is_json: bool,
    boundary: Option<String>,
}

impl Body {
    fn of(flags: &Flags) -> Result<Self, Failure> {
        let has_data = !flags.pieces.is_empty();
        let has_form = !flags.fields.is_empty();
        let is_json = flags.pieces.iter().any(data::Piece::is_json);
        let posts = has_data && !flags.get;
        only_one_method(flags, posts, has_form)?;
        let mut body = Self { plan: BodyPlan::Empty, query: None, posts, is_json, boundary: None };
        if has_data {
            match data::assemble(&flags.pieces)? {
                Data::Bytes(bytes) if flags.get => body.query = Some(bytes),
                Data::Source(source) if flags.get => body.query = Some(data::read(&source)?),
                Data::Bytes(bytes) => body.plan = BodyPlan::Bytes(bytes.into()),
                Data::Source(source) => body.plan = BodyPlan::Source { source, measured: true },
            }
        }
        if has_form {
            let boundary = form::boundary();
            body.plan = BodyPlan::Parts(form::build(&flags.fields, &boundary)?);
            (body.posts, body.boundary) = (true, Some(boundary));
        }
        if !flags.url_query.is_empty() {
            if body.query.is_some() {
                return Err(Failure::usage("--url-query and -G exclude each other"));
            }
            body.query = Some(data::query(&flags.url_query)?);
        }
        Ok(body)
    }
}

/// Where the body of this URL goes.
fn target(
    flags: &Flags,
    globbed: &Globbed,
    url: &str,
    output: Option<&Option<OsString>>,
) -> Result<Target, Failure> {
    let within = |path: PathBuf| match &flags.output_dir {
        Some(directory) => directory.join(path),
        None => path,
    };
    Ok(match output {
        None => Target::Stdout { anyway: false },
        Some(None) => Target::File(within(url::remote_name(url)?)),
        Some(Some(name)) if name == "-" => Target::Stdout { anyway: true },
        Some(Some(name)) => Target::File(within(match name.to_str() {
            Some(name) => globbed.fill(name).into(),
            None => PathBuf::from(name),
        })),
    })
}

/// The offset of `--continue-at`, if it is one.
fn resume(flags: &Flags, target: &Target) -> Result<Option<u64>, Failure> {
    let Some(text) = flags.continue_at.as_deref() else { return Ok(None) };
    if flags.upload_file.is_some() {
        return Err(Failure::usage("--continue-at is for downloads"));
    }
    if flags.range.is_some() || flags.remote_header_name {
        return Err(Failure::usage("--continue-at goes with neither --range nor --remote-header-name"));
    }
    let offset = match (text, target) {
        ("-", Target::File(path)) => std::fs::metadata(path).map_or(0, |file| file.len()),
        ("-", Target::Stdout { .. }) => 0,
        (number, _) => number
            .parse()
            .map_err(|_| Failure::usage("--continue-at is neither a number of bytes nor `-`"))?,
    };
    Ok(Some(offset))
}

fn only_one_method(flags: &Flags, posts: bool, has_form: bool) -> Result<(), Failure> {
    let asked: Vec<&str> = [
        (posts, "POST (data)"),
        (has_form, "POST (-F)"),
        (flags.head, "HEAD (-I)"),
        (flags.upload_file.is_some(), "PUT (-T)"),
    ]
    .into_iter()
    .filter_map(|(asked, name)| asked.then_some(name))
    .collect();
    match asked.as_slice() {
        [first, second, ..] => Err(Failure::usage(format!("{first} and {second} exclude each other"))),
        _ => Ok(()),
    }
}

fn default_headers(flags: &Flags, body: &Body, resume: Option<u64>) -> Result<Vec<Header>, Failure> {
    let mut headers = Vec::new();
    let (posts, is_json) = (body.posts && body.boundary.is_none(), body.is_json);
    if let Some(range) = range(flags, resume)? {
        headers.push(Header::new("Range", range));
    }
    if let Some(referer) = flags.referer.as_deref() {
        let referer = referer.strip_suffix(";auto").unwrap_or(referer);
        if !referer.is_empty() {
            headers.push(Header::new("Referer", referer.to_owned()));
        }
    }
    if let Some(file) = &flags.etag_compare {
        headers.push(Header::new("If-None-Match", etag::kept(file)?));
    }
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
    if posts || is_json {
        let media_type = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
        headers.push(Header::new("Content-Type", media_type));
    }
    Ok(headers)
}

/// The bytes that are wanted, if not all.
fn range(flags: &Flags, resume: Option<u64>) -> Result<Option<String>, Failure> {
    match (&flags.range, resume) {
        (Some(_), _) if flags.upload_file.is_some() => Err(Failure::usage("--range is for downloads")),
        // As curl takes it: from there on.
        (Some(range), _) if !range.contains('-') => Ok(Some(format!("bytes={range}-"))),
        (Some(range), _) => Ok(Some(format!("bytes={range}"))),
        (None, Some(offset)) if offset > 0 => Ok(Some(format!("bytes={offset}-"))),
        _ => Ok(None),
    }
}

fn target_at(path: PathBuf) -> Target {
    if path.as_os_str() == "-" { Target::Stdout { anyway: true } } else { Target::File(path) }
}

/// In curl's flags zero is no limit.
fn limit(asked: Option<Duration>) -> Option<Duration> {
    asked.filter(|duration| !duration.is_zero())
}
