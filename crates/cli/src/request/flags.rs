use super::{data::Piece, size::Size};
use crate::place::PlaceFlags;
use clap::{ArgMatches, Args, parser::ValueSource};
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// Everything `afield request` understands, as typed. Letters and names are curl's where curl has them.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Flags {
    /// The URL. Without a scheme it is taken as http, as curl does.
    #[arg(required_unless_present = "url_flag")]
    pub url: Option<String>,

    /// The URL, as a flag.
    #[arg(long = "url", id = "url_flag", value_name = "URL", conflicts_with = "url")]
    pub url_flag: Option<String>,

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

    /// Cookies as `name=value; name2=value2`.
    #[arg(short = 'b', long, value_name = "COOKIES", help_heading = "Request")]
    pub cookie: Vec<String>,

    /// Ask for a compressed answer (gzip, deflate, br, zstd) and decode it here.
    #[arg(long, help_heading = "Request")]
    pub compressed: bool,

    /// Follow redirects, at most 10. Credentials do not follow to another origin.
    #[arg(short = 'L', long, help_heading = "Request")]
    pub location: bool,

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

    /// Fail on a response body larger than this. Suffixes: K, M, G.
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    pub max_filesize: Option<Size>,

    /// With --compressed: fail on a body that decodes to more than this. Suffixes: K, M, G.
    #[arg(long, value_name = "BYTES", default_value = "1G", help_heading = "Limits")]
    pub max_decoded: Size,

    /// Write the body to a file; `-` is standard output, even if that is a terminal and the body is binary.
    #[arg(short = 'o', long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Write the body to a file named like the last part of the URL's path.
    #[arg(short = 'O', long, conflicts_with = "output", help_heading = "Output")]
    pub remote_name: bool,

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

const AFTER_HELP: &str = "\
Exit codes are curl's where curl has one; `afield exit-codes` lists them.
Not settable, on purpose: the number of redirects (10), retries (a request is never sent twice on a guess),
certificate checks (--ca adds an authority; nothing turns the check off).";

impl Flags {
    /// Collects the data flags in the order in which they were typed, which clap keeps per flag only.
    pub fn keep_order_of_data(&mut self, matches: &ArgMatches) {
        let mut pieces: Vec<(usize, Piece)> = Vec::new();
        let mut take = |id: &str, values: &mut Vec<OsString>, piece: fn(Vec<u8>) -> Piece| {
            if matches.value_source(id) == Some(ValueSource::CommandLine) {
                let indices = matches.indices_of(id).into_iter().flatten();
                let values = values.drain(..).map(|value| piece(value.into_encoded_bytes()));
                pieces.extend(indices.zip(values));
            }
        };
        take("data", &mut self.data, Piece::Data);
        take("data_binary", &mut self.data_binary, Piece::Binary);
        take("data_raw", &mut self.data_raw, Piece::Raw);
        take("data_urlencode", &mut self.data_urlencode, Piece::UrlEncode);
        take("json", &mut self.json, Piece::Json);
        pieces.sort_by_key(|(index, _)| *index);
        self.pieces = pieces.into_iter().map(|(_, piece)| piece).collect();
    }
}

/// Seconds as curl takes them; 0 is no limit, as in curl.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a number of seconds");
    let number: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number).map_err(|_| wrong())
}
