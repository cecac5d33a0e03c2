use super::{curl_flags, data::Piece, form::Field, protocols::Protocols, size::Size};
use crate::place::PlaceFlags;
use clap::{ArgAction, ArgMatches, Args, parser::ValueSource};
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// Everything `afield request` understands, as typed. Letters and names are curl's where curl has them.
#[derive(Debug, Args)]
#[command(after_help = curl_flags::after_help(), version)]
pub(crate) struct Flags {
    /// The URLs, one request each. Without a scheme they are taken as http, as curl does; `{a,b}` and `[1-9]` stand for several.
    #[arg(required_unless_present = "url_flag", value_name = "URL")]
    url: Vec<String>,

    /// A URL, as a flag.
    #[arg(long = "url", id = "url_flag", value_name = "URL")]
    url_flag: Vec<String>,

    /// What stands behind each `--next`.
    #[arg(skip)]
    pub next: Vec<Flags>,

    /// All URLs in the order typed.
    #[arg(skip)]
    pub urls: Vec<String>,

    /// In URLs, brackets and braces mean themselves.
    #[arg(short = 'g', long, help_heading = "Request")]
    pub globoff: bool,

    /// The scheme of URLs without one: http or https.
    #[arg(long, value_name = "SCHEME", help_heading = "Request")]
    pub proto_default: Option<String>,

    /// The schemes that URLs may have, as in curl: `=https` is https alone.
    #[arg(long, value_name = "SCHEMES", allow_hyphen_values = true, help_heading = "Request")]
    pub proto: Option<Protocols>,

    /// The schemes that redirects may lead to.
    #[arg(long, value_name = "SCHEMES", allow_hyphen_values = true, help_heading = "Request")]
    pub proto_redir: Option<Protocols>,

    /// Data at the end of the query, as for --data-urlencode; `+data` is not encoded.
    #[arg(long, value_name = "DATA", allow_hyphen_values = true, help_heading = "Request")]
    pub url_query: Vec<OsString>,

    #[command(flatten)]
    pub place: PlaceFlags,

    /// The method; sent exactly as written.
    #[arg(short = 'X', long = "request", value_name = "METHOD", help_heading = "Request")]
    pub method: Option<String>,

    /// A header. `Name: value` replaces a default, `Name:` removes it, `Name;` sends it empty, `@FILE` reads lines.
    #[arg(
        short = 'H',
        long = "header",
        value_name = "HEADER",
        allow_hyphen_values = true,
        help_heading = "Request"
    )]
    pub headers: Vec<OsString>,

    /// Data to post. `@FILE` reads a file without its line ends, `@-` standard input. Repeats are joined with `&`.
    #[arg(
        short = 'd',
        long,
        visible_alias = "data-ascii",
        value_name = "DATA",
        allow_hyphen_values = true,
        help_heading = "Request"
    )]
    data: Vec<OsString>,

    /// Like --data, but files keep their line ends. Alone, a large file or standard input is streamed.
    #[arg(long, value_name = "DATA", allow_hyphen_values = true, help_heading = "Request")]
    data_binary: Vec<OsString>,

    /// Like --data, but `@` means nothing special.
    #[arg(long, value_name = "DATA", allow_hyphen_values = true, help_heading = "Request")]
    data_raw: Vec<OsString>,

    /// Like --data, percent-encoded: `content`, `=content`, `name=content`, `@file` or `name@file`.
    #[arg(long, value_name = "DATA", allow_hyphen_values = true, help_heading = "Request")]
    data_urlencode: Vec<OsString>,

    /// JSON to post, with its Content-Type and Accept. `@FILE` and `@-` as for --data-binary.
    #[arg(long, value_name = "JSON", allow_hyphen_values = true, help_heading = "Request")]
    json: Vec<OsString>,

    /// A part of a form: `name=content`, `name=@file` (a file) or `name=<file` (its content), with `;type=` and `;filename=`.
    #[arg(short = 'F', long, value_name = "NAME=CONTENT", help_heading = "Request")]
    form: Vec<OsString>,

    /// Like --form, but the content means nothing special.
    #[arg(long, value_name = "NAME=STRING", help_heading = "Request")]
    form_string: Vec<OsString>,

    /// All parts of the form in the order typed.
    #[arg(skip)]
    pub fields: Vec<Field>,

    /// All data in the order typed.
    #[arg(skip)]
    pub pieces: Vec<Piece>,

    /// Upload a file with PUT; `-` or `.` is standard input, streamed as it comes.
    #[arg(short = 'T', long, value_name = "FILE", help_heading = "Request")]
    pub upload_file: Option<PathBuf>,

    /// Put the data into the URL's query and send GET.
    #[arg(short = 'G', long, help_heading = "Request")]
    pub get: bool,

    /// Send HEAD and print the head.
    #[arg(short = 'I', long, help_heading = "Request")]
    pub head: bool,

    /// The User-Agent; empty: none.
    #[arg(short = 'A', long, value_name = "NAME", allow_hyphen_values = true, help_heading = "Request")]
    pub user_agent: Option<String>,

    /// `USER:PASSWORD`, sent as Basic authorization.
    #[arg(
        short = 'u',
        long,
        value_name = "USER:PASSWORD",
        allow_hyphen_values = true,
        help_heading = "Request"
    )]
    pub user: Option<String>,

    /// `Bearer` authorization with this token.
    #[arg(long, value_name = "TOKEN", help_heading = "Request")]
    pub oauth2_bearer: Option<String>,

    /// Accepted for curl's sake: -u is sent as Basic authorization.
    #[arg(long, help_heading = "Request")]
    pub basic: bool,

    /// The `Referer`; with `;auto` at its end that of a redirect is where it came from.
    #[arg(short = 'e', long, value_name = "URL", help_heading = "Request")]
    pub referer: Option<String>,

    /// These bytes only: `0-99`, `100-`, `-100`.
    #[arg(short = 'r', long, value_name = "RANGE", allow_hyphen_values = true, help_heading = "Request")]
    pub range: Option<String>,

    /// Go on at this offset and append to the file; `-`: at the file's end.
    #[arg(short = 'C', long, value_name = "OFFSET", allow_hyphen_values = true, help_heading = "Request")]
    pub continue_at: Option<String>,

    /// Send the ETag that this file holds, and get nothing where it is still right.
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    pub etag_compare: Option<PathBuf>,

    /// Save the answer's ETag to this file.
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    pub etag_save: Option<PathBuf>,

    /// Cookies as `name=value; name2=value2`.
    #[arg(short = 'b', long, value_name = "COOKIES", help_heading = "Request")]
    pub cookie: Vec<String>,

    /// Ask for a compressed answer (gzip, deflate, br, zstd) and decode it here.
    #[arg(long, help_heading = "Request")]
    pub compressed: bool,

    /// Follow redirects, at most 10. Credentials do not follow to another origin.
    #[arg(short = 'L', long, help_heading = "Request")]
    pub location: bool,

    /// Like --location, and credentials follow to other origins too.
    #[arg(long, help_heading = "Request")]
    pub location_trusted: bool,

    /// Follow at most so many redirects; -1: any number.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true, help_heading = "Request")]
    pub max_redirs: Option<i64>,

    /// A POST stays one after a 301.
    #[arg(long, help_heading = "Request")]
    pub post301: bool,

    /// A POST stays one after a 302.
    #[arg(long, help_heading = "Request")]
    pub post302: bool,

    /// A POST stays one after a 303.
    #[arg(long, help_heading = "Request")]
    pub post303: bool,

    /// Accepted for curl's sake: TLS is always 1.2 at least.
    #[arg(
        short = '1',
        long,
        visible_aliases = ["tlsv1.0", "tlsv1.1", "tlsv1.2"],
        help_heading = "Request"
    )]
    pub tlsv1: bool,

    /// Accepted for curl's sake: no .curlrc is ever read.
    #[arg(short = 'q', long, help_heading = "Request")]
    pub disable: bool,

    /// Speak HTTP/1.1 to the origin.
    #[arg(
        long = "http1.1",
        overrides_with_all = ["http2", "http2_prior_knowledge"],
        help_heading = "Request"
    )]
    pub http1_1: bool,

    /// Speak HTTP/2 to the origin where it agrees to that (TLS), else HTTP/1.1.
    #[arg(long, overrides_with_all = ["http1_1", "http2_prior_knowledge"], help_heading = "Request")]
    pub http2: bool,

    /// Speak HTTP/2 to the origin without asking, also without TLS.
    #[arg(long, overrides_with_all = ["http1_1", "http2"], help_heading = "Request")]
    pub http2_prior_knowledge: bool,

    /// Seconds for the whole exchange, body included. Fractions are fine.
    #[arg(short = 'm', long, value_name = "SECONDS", value_parser = seconds, help_heading = "Limits")]
    pub max_time: Option<Duration>,

    /// Seconds to connect: to the origin, and before that to the executor if there is one.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Limits")]
    pub connect_timeout: Option<Duration>,

    /// Seconds from the request sent to the response head.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Limits")]
    pub head_timeout: Option<Duration>,

    /// Seconds without any byte of the response body.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Limits")]
    pub idle_timeout: Option<Duration>,

    /// Send the request again, up to so many times, after a timeout or a status of 408, 429, 500, 502, 503 or 504.
    #[arg(long, value_name = "NUMBER", help_heading = "Limits")]
    pub retry: Option<u32>,

    /// Seconds before each --retry, instead of 1, 2, 4 and so on. An answer's `Retry-After` comes first.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Limits")]
    pub retry_delay: Option<Duration>,

    /// Seconds after which no --retry begins.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Limits")]
    pub retry_max_time: Option<Duration>,

    /// With --retry: after any failure.
    #[arg(long, help_heading = "Limits")]
    pub retry_all_errors: bool,

    /// With --retry: also where nothing listens.
    #[arg(long, help_heading = "Limits")]
    pub retry_connrefused: bool,

    /// Fail on a response body larger than this. Suffixes: K, M, G.
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    pub max_filesize: Option<Size>,

    /// With --compressed: fail on a body that decodes to more than this. Suffixes: K, M, G.
    #[arg(long, value_name = "BYTES", default_value = "1G", help_heading = "Limits")]
    pub max_decoded: Size,

    /// Write the body to a file; `-` is standard output, even if that is a terminal and the body is binary.
    /// The first is for the first URL; `#1` is what the first `{…}` or `[…]` of the URL stands for.
    #[arg(short = 'o', long, value_name = "FILE", help_heading = "Output")]
    output: Vec<OsString>,

    /// Write the body to a file named like the last part of the URL's path.
    #[arg(
        short = 'O',
        long,
        action = ArgAction::Append,
        num_args = 0,
        default_missing_value = "true",
        help_heading = "Output"
    )]
    remote_name: Vec<bool>,

    /// Where the bodies go, in the order typed: a file, or the URL's own name.
    #[arg(skip)]
    pub outputs: Vec<Option<OsString>>,

    /// -O for every URL without an -o.
    #[arg(long, help_heading = "Output")]
    pub remote_name_all: bool,

    /// With -O: the name that the answer gives (`Content-Disposition`). A file that is there is not overwritten.
    #[arg(short = 'J', long, help_heading = "Output")]
    pub remote_header_name: bool,

    /// Give the file the time that the answer names (`Last-Modified`).
    #[arg(short = 'R', long, help_heading = "Output")]
    pub remote_time: bool,

    /// The directory for -o and -O.
    #[arg(long, value_name = "DIRECTORY", help_heading = "Output")]
    pub output_dir: Option<PathBuf>,

    /// Make the directories that -o and --output-dir name.
    #[arg(long, help_heading = "Output")]
    pub create_dirs: bool,

    /// Never overwrite a file: write to `FILE.1`, `FILE.2` and so on.
    #[arg(long, help_heading = "Output")]
    pub no_clobber: bool,

    /// Remove the file of a transfer that fails.
    #[arg(long, help_heading = "Output")]
    pub remove_on_error: bool,

    /// Stop at the first request that fails.
    #[arg(long, help_heading = "Output")]
    pub fail_early: bool,

    /// Print the head before the body.
    #[arg(short = 'i', long, visible_alias = "show-headers", help_heading = "Output")]
    pub include: bool,

    /// Write the head to a file; `-` is standard output.
    #[arg(short = 'D', long, value_name = "FILE", help_heading = "Output")]
    pub dump_header: Option<PathBuf>,

    /// Accepted for curl's sake: output is never held back.
    #[arg(short = 'N', long, help_heading = "Output")]
    pub no_buffer: bool,

    /// Fail with exit code 22 on a status of 400 or more, without the body.
    #[arg(short = 'f', long, conflicts_with = "fail_with_body", help_heading = "Output")]
    pub fail: bool,

    /// Fail with exit code 22 on a status of 400 or more, after the body.
    #[arg(long, help_heading = "Output")]
    pub fail_with_body: bool,

    /// Tell what happens, where. Secrets are not shown.
    #[arg(short = 'v', long, help_heading = "Output")]
    pub verbose: bool,

    /// No progress, no errors.
    #[arg(short = 's', long, help_heading = "Output")]
    pub silent: bool,

    /// With --silent: errors all the same.
    #[arg(short = 'S', long, help_heading = "Output")]
    pub show_error: bool,

    /// No progress bar.
    #[arg(long, help_heading = "Output")]
    pub no_progress_meter: bool,

    /// Accepted for curl's sake: progress is always a bar.
    #[arg(short = '#', long, help_heading = "Output")]
    pub progress_bar: bool,

    /// Print this at the end; `%{http_code}`, `%{size_download}`, `%{time_total}` and the like are replaced
    /// (docs/request.md lists them). `@FILE` reads it from a file, `@-` from standard input.
    #[arg(short = 'w', long, value_name = "FORMAT", allow_hyphen_values = true, help_heading = "Output")]
    pub write_out: Option<String>,
}

impl Flags {
    /// Collects flags of several names in the order in which they were typed, which clap keeps per flag only.
    pub fn keep_order(&mut self, matches: &ArgMatches) {
        let bytes = |piece: fn(Vec<u8>) -> Piece| move |value: OsString| piece(value.into_encoded_bytes());
        let mut pieces = Ordered::of(matches);
        pieces.take("data", &mut self.data, bytes(Piece::Data));
        pieces.take("data_binary", &mut self.data_binary, bytes(Piece::Binary));
        pieces.take("data_raw", &mut self.data_raw, bytes(Piece::Raw));
        pieces.take("data_urlencode", &mut self.data_urlencode, bytes(Piece::UrlEncode));
        pieces.take("json", &mut self.json, bytes(Piece::Json));
        self.pieces = pieces.ordered();
        let mut fields = Ordered::of(matches);
        fields.take("form", &mut self.form, |value| Field::Special(value.into_encoded_bytes()));
        fields.take("form_string", &mut self.form_string, |value| Field::Plain(value.into_encoded_bytes()));
        self.fields = fields.ordered();
        let mut urls = Ordered::of(matches);
        urls.take("url", &mut self.url, std::convert::identity);
        urls.take("url_flag", &mut self.url_flag, std::convert::identity);
        self.urls = urls.ordered();
        let mut outputs = Ordered::of(matches);
        outputs.take("output", &mut self.output, Some);
        outputs.take("remote_name", &mut self.remote_name, |_| None);
        self.outputs = outputs.ordered();
    }
}

/// Values of several flags, each with its place on the command line.
struct Ordered<'a, T> {
    matches: &'a ArgMatches,
    values: Vec<(usize, T)>,
}

impl<'a, T> Ordered<'a, T> {
    fn of(matches: &'a ArgMatches) -> Self {
        Self { matches, values: Vec::new() }
    }

    fn take<V>(&mut self, id: &str, values: &mut Vec<V>, meant: impl Fn(V) -> T) {
        if self.matches.value_source(id) == Some(ValueSource::CommandLine) {
            let indices = self.matches.indices_of(id).into_iter().flatten();
            self.values.extend(indices.zip(values.drain(..).map(meant)));
        }
    }

    fn ordered(mut self) -> Vec<T> {
        self.values.sort_by_key(|(index, _)| *index);
        self.values.into_iter().map(|(_, value)| value).collect()
    }
}

/// Seconds as curl takes them; 0 is no limit, as in curl.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a number of seconds");
    let number: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number).map_err(|_| wrong())
}
