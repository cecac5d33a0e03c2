use super::{data, source::Source};
use crate::{
    console::{Cleaner, Stream, clean_json},
    failure::Failure,
};
use afield_exchange::{Head, HttpVersion, Timings};
use std::{
    fmt::Write,
    path::PathBuf,
    time::{Duration, SystemTime},
};
use url::Url;

/// What `--write-out` prints at the end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Format(String);

/// What a format may speak of.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub head: Option<Head>,
    pub method: String,
    pub url: String,
    /// Where redirects led, where they were followed from here.
    pub effective: Option<String>,
    pub number: u64,
    pub file: Option<PathBuf>,
    pub header_bytes: usize,
    pub downloaded: u64,
    pub uploaded: u64,
    pub start_transfer: Duration,
    pub total: Duration,
    pub exit_code: u8,
    pub error: Option<String>,
}

/// What goes to each of the two streams.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Printed {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Variables that do not exist here.
    pub unknown: Vec<String>,
}

/// The variables, in the order of `%{json}`.
const VARIABLES: &[&str] = &[
    "content_type",
    "errormsg",
    "exitcode",
    "filename_effective",
    "http_code",
    "http_version",
    "method",
    "num_connects",
    "num_headers",
    "num_redirects",
    "redirect_url",
    "remote_ip",
    "remote_port",
    "response_code",
    "scheme",
    "size_download",
    "size_header",
    "size_upload",
    "speed_download",
    "speed_upload",
    "time_appconnect",
    "time_connect",
    "time_namelookup",
    "time_pretransfer",
    "time_redirect",
    "time_starttransfer",
    "time_total",
    "url",
    "url_effective",
    "urlnum",
];

enum Value {
    Text(Option<String>),
    Number(u64),
    /// Three digits, as status codes are printed.
    Status(u16),
    Seconds(Duration),
}

impl Format {
    /// The format that was typed, or the contents of `@FILE`.
    pub fn load(typed: &str) -> Result<Self, Failure> {
        match typed.strip_prefix('@') {
            None => Ok(Self(typed.to_owned())),
            Some(name) => {
                let source = if name == "-" { Source::Stdin } else { Source::File(name.into()) };
                let mut bytes = data::read(&source)?;
                // As curl reads it: what ends a line in the file is not meant to be printed.
                bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
                Ok(Self(String::from_utf8_lossy(&bytes).into_owned()))
            }
        }
    }

    /// Whether a variable is asked for.
    pub fn mentions(&self, name: &str) -> bool {
        self.0.contains(&format!("%{{{name}}}"))
    }

    /// Replaces `%{name}`, `%header{name}`, `%%`, `\n`, `\r` and `\t`. What comes from elsewhere is cleaned for a stream that is
    /// a terminal; what the format itself says is the user's own.
    pub fn print(&self, facts: &Facts, is_terminal: impl Fn(Stream) -> bool) -> Printed {
        let cleaned =
            |to_stderr, bytes: &[u8]| match is_terminal(if to_stderr { Stream::Err } else { Stream::Out }) {
                true => Cleaner::whole(bytes),
                false => bytes.to_vec(),
            };
        let json =
            |to_stderr, json: String| match is_terminal(if to_stderr { Stream::Err } else { Stream::Out }) {
                true => clean_json(&json).into_owned(),
                false => json,
            };
        let mut printed = Printed::default();
        let mut to_stderr = false;
        let mut rest = self.0.as_str();
        while let Some(at) = rest.find(['%', '\\']) {
            let (before, from) = rest.split_at(at);
            put(&mut printed, to_stderr, before.as_bytes());
            rest = if let Some((name, after)) = braced(from, "%{") {
                match name {
                    "stderr" => to_stderr = true,
                    "stdout" => to_stderr = false,
                    "onerror" if facts.exit_code == 0 => return printed,
                    "onerror" => {}
                    "json" => put(&mut printed, to_stderr, json(to_stderr, facts.json()).as_bytes()),
                    "header_json" => {
                        put(&mut printed, to_stderr, json(to_stderr, facts.header_json()).as_bytes());
                    }
                    name => match facts.value(name) {
                        Some(value) => {
                            put(&mut printed, to_stderr, &cleaned(to_stderr, value.plain().as_bytes()));
                        }
                        None => printed.unknown.push(name.to_owned()),
                    },
                }
                after
            } else if let Some((name, after)) = braced(from, "%header{") {
                let header = facts.head.as_ref().and_then(|head| head.header(name));
                let value = header.map_or(&[][..], |header| &header.value);
                put(&mut printed, to_stderr, &cleaned(to_stderr, value));
                after
            } else {
                let (bytes, length): (&[u8], usize) = match from.as_bytes() {
                    [b'%', b'%', ..] => (b"%", 2),
                    [b'\\', b'n', ..] => (b"\n", 2),
                    [b'\\', b'r', ..] => (b"\r", 2),
                    [b'\\', b't', ..] => (b"\t", 2),
                    _ => (&from.as_bytes()[..1], 1),
                };
                put(&mut printed, to_stderr, bytes);
                &from[length..]
            };
        }
        put(&mut printed, to_stderr, rest.as_bytes());
        printed
    }
}

fn put(printed: &mut Printed, to_stderr: bool, bytes: &[u8]) {
    if to_stderr { &mut printed.stderr } else { &mut printed.stdout }.extend_from_slice(bytes);
}

fn braced<'a>(text: &'a str, open: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(open)?.split_once('}')
}

impl Facts {
    fn value(&self, name: &str) -> Option<Value> {
        let status = self.head.as_ref().map_or(0, |head| head.status);
        let speed = |bytes: u64| Value::Number((bytes as f64 / self.total.as_secs_f64().max(1e-6)) as u64);
        let timings = self.timings();
        // From the beginning of the exchange, as all of curl's times; what did not happen took no time.
        let time = |of: fn(&Timings) -> Option<Duration>| {
            Value::Seconds(
                timings.and_then(|timings| Some(timings.redirect + of(timings)?)).unwrap_or_default(),
            )
        };
        Some(match name {
            "content_type" => {
                let header = self.head.as_ref().and_then(|head| head.header("content-type"));
                Value::Text(header.map(|header| String::from_utf8_lossy(&header.value).into_owned()))
            }
            "errormsg" => Value::Text(self.error.clone()),
            "exitcode" => Value::Number(self.exit_code.into()),
            "filename_effective" => Value::Text(self.file.as_ref().map(|file| file.display().to_string())),
            "http_code" | "response_code" => Value::Status(status),
            "http_version" => Value::Text(Some(match timings.and_then(|timings| timings.http_version) {
                Some(HttpVersion::Http10) => "1.0".to_owned(),
                Some(HttpVersion::Http11) => "1.1".to_owned(),
                Some(HttpVersion::Http2) => "2".to_owned(),
                _ => "0".to_owned(),
            })),
            "method" => Value::Text(Some(self.method.clone())),
            "num_connects" => Value::Number(timings.map_or(0, |timings| timings.connections.into())),
            "num_redirects" => Value::Number(timings.map_or(0, |timings| timings.redirects.into())),
            "redirect_url" => Value::Text(self.redirect_url()),
            "remote_ip" => Value::Text(
                timings.and_then(|timings| timings.remote_address).map(|address| address.to_string()),
            ),
            "remote_port" => {
                Value::Number(timings.and_then(|timings| timings.remote_port).unwrap_or(0).into())
            }
            "num_headers" => Value::Number(self.head.as_ref().map_or(0, |head| head.headers.len() as u64)),
            "scheme" => {
                Value::Text(self.url.split_once("://").map(|(scheme, _)| scheme.to_ascii_uppercase()))
            }
            "size_download" => Value::Number(self.downloaded),
            "size_header" => Value::Number(self.header_bytes as u64),
            "size_upload" => Value::Number(self.uploaded),
            "speed_download" => speed(self.downloaded),
            "speed_upload" => speed(self.uploaded),
            "time_appconnect" => time(|timings| timings.secured),
            "time_connect" => time(|timings| timings.connected),
            "time_namelookup" => time(|timings| timings.resolved),
            "time_pretransfer" => time(|timings| timings.ready),
            "time_redirect" => Value::Seconds(timings.map_or(Duration::ZERO, |timings| timings.redirect)),
            "time_starttransfer" => Value::Seconds(self.start_transfer),
            "time_total" => Value::Seconds(self.total),
            "url" => Value::Text(Some(self.url.clone())),
            "url_effective" => Value::Text(self.effective.clone().or_else(|| {
                (self.redirects() == 0).then(|| normal(&self.url).unwrap_or_else(|| self.url.clone()))
            })),
            "urlnum" => Value::Number(self.number),
            _ => return None,
        })
    }

    /// The status, 0 if there was none.
    pub fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, |head| head.status)
    }

    /// How long the answer asks to wait.
    pub fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let field = self.head.as_ref()?.header("retry-after")?.text()?.trim();
        match field.parse() {
            Ok(0) => None,
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => httpdate::parse_http_date(field).ok()?.duration_since(now).ok(),
        }
    }

    fn timings(&self) -> Option<&Timings> {
        self.head.as_ref()?.timings.as_deref()
    }

    fn redirects(&self) -> u32 {
        self.timings().map_or(0, |timings| timings.redirects)
    }

    /// Where a redirect leads that was not followed.
    fn redirect_url(&self) -> Option<String> {
        let head = self.head.as_ref().filter(|head| matches!(head.status, 300..=399))?;
        let location = head.header("location")?.text()?;
        match Url::parse(location) {
            Ok(url) => Some(url.into()),
            // Relative to a URL that is known only where no redirect was followed.
            Err(_) if self.effective.is_some() || self.redirects() == 0 => {
                let from = self.effective.as_deref().unwrap_or(&self.url);
                Some(Url::parse(from).ok()?.join(location).ok()?.into())
            }
            Err(_) => None,
        }
    }

    fn json(&self) -> String {
        let mut text = String::from("{");
        for (index, name) in VARIABLES.iter().enumerate() {
            let value = self.value(name).map_or_else(|| "null".to_owned(), |value| value.json());
            let _ = write!(text, "{}\"{name}\":{value}", if index > 0 { "," } else { "" });
        }
        text + "}"
    }

    /// Header fields by name, each with all of its values.
    fn header_json(&self) -> String {
        let mut fields = serde_json::Map::new();
        for header in self.head.iter().flat_map(|head| &head.headers) {
            let values =
                fields.entry(header.name.to_ascii_lowercase()).or_insert_with(|| serde_json::json!([]));
            if let Some(values) = values.as_array_mut() {
                values.push(String::from_utf8_lossy(&header.value).into());
            }
        }
        serde_json::Value::Object(fields).to_string()
    }
}

/// With at least a slash for a path, as curl tells a URL.
fn normal(url: &str) -> Option<String> {
    let start = url.find("://")? + 3;
    match url[start..].find(['/', '?', '#']).map(|at| start + at) {
        None => Some(format!("{url}/")),
        Some(at) if !url[at..].starts_with('/') => Some(format!("{}/{}", &url[..at], &url[at..])),
        Some(_) => None,
    }
}

impl Value {
    fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone().unwrap_or_default(),
            Self::Number(number) => number.to_string(),
            Self::Status(status) => format!("{status:03}"),
            Self::Seconds(time) => format!("{:.6}", time.as_secs_f64()),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Text(Some(text)) => serde_json::Value::from(text.as_str()).to_string(),
            Self::Text(None) => "null".into(),
            Self::Status(status) => status.to_string(),
            Self::Number(_) | Self::Seconds(_) => self.plain(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::Header;

    fn printed(format: &str, facts: &Facts) -> Printed {
        Format(format.to_owned()).print(facts, |_| false)
    }

    fn facts() -> Facts {
        Facts {
            head: Some(Head::new(204, vec![Header::new("content-type", "a/b"), Header::new("x", "1")])),
            url: "http://h/".into(),
            downloaded: 7,
            total: Duration::from_millis(1500),
            ..Facts::default()
        }
    }

    /// Proves that what comes from elsewhere is cleaned for the stream that is a terminal, and for no other, and that what the
    /// format says of itself is not (case 163).
    #[test]
    fn write_out_cleans_values_on_a_terminal() {
        let mut facts = facts();
        facts.head = Some(Head::new(200, vec![Header::new("x", "\u{9b}2J\u{202e}")]));
        facts.error = Some("\u{1b}[2J".into());
        let format = "\u{1b}[1m%header{x}%{errormsg}%{header_json}%{stderr}%header{x}";
        let printed = Format(format.to_owned()).print(&facts, |stream| stream == Stream::Out);
        assert_eq!(
            String::from_utf8(printed.stdout).unwrap(),
            "\u{1b}[1m\\x9b2J\\u{202e}\\x1b[2J{\"x\":[\"\\u009b2J\\u202e\"]}"
        );
        assert_eq!(String::from_utf8(printed.stderr).unwrap(), "\u{9b}2J\u{202e}");
    }

    /// Proves how variables, escapes and unknown names are printed.
    #[test]
    fn variables_and_escapes_are_replaced() {
        let printed = printed(
            r"%{http_code}|%{size_download}|%{time_total}|%header{X}|%%|\t\n|%{nosuch}|%|\q|%{",
            &facts(),
        );
        assert_eq!(String::from_utf8(printed.stdout).unwrap(), "204|7|1.500000|1|%|\t\n||%|\\q|%{");
        assert_eq!(printed.unknown, ["nosuch"]);
        assert_eq!(self::printed("%{http_code}", &Facts::default()).stdout, b"000");
    }

    /// Proves that output can be sent to stderr and back, and kept for errors.
    #[test]
    fn output_goes_where_it_is_sent() {
        let split = printed("a%{stderr}b%{stdout}c", &facts());
        assert_eq!((split.stdout.as_slice(), split.stderr.as_slice()), (&b"ac"[..], &b"b"[..]));
        assert_eq!(printed("a%{onerror}b", &facts()).stdout, b"a");
        assert_eq!(printed("a%{onerror}b", &Facts { exit_code: 7, ..facts() }).stdout, b"ab");
    }

    /// Proves that what is known of the connection is printed, times from the beginning of the exchange, and that what is
    /// not known is empty or zero.
    #[test]
    fn timings_are_printed() {
        let mut timings = Timings::default();
        timings.http_version = Some(HttpVersion::Http2);
        timings.remote_address = Some("192.0.2.7".parse().unwrap());
        timings.remote_port = Some(443);
        (timings.connections, timings.redirects) = (2, 1);
        timings.redirect = Duration::from_millis(250);
        timings.connected = Some(Duration::from_millis(500));
        let head =
            Head::new(302, vec![Header::new("location", "../x?y")]).with_timings(Some(Box::new(timings)));
        let format = "%{http_version}|%{remote_ip}|%{remote_port}|%{num_connects}|%{num_redirects}|\
            %{time_redirect}|%{time_connect}|%{time_appconnect}|%{url_effective}|%{redirect_url}";
        let redirected = Facts { head: Some(head), url: "http://h/a/b".into(), ..facts() };
        let text = |facts: &Facts| String::from_utf8(printed(format, facts).stdout).unwrap();
        assert_eq!(text(&redirected), "2|192.0.2.7|443|2|1|0.250000|0.750000|0.000000||");
        assert_eq!(text(&facts()), "0||0|0|0|0.000000|0.000000|0.000000|http://h/|");
        let head = Head::new(302, vec![Header::new("location", "../x?y")]);
        let facts = Facts { head: Some(head), url: "http://h/a/b".into(), ..facts() };
        assert!(text(&facts).ends_with("|http://h/a/b|http://h/x?y"));
    }

    /// Proves that `%{json}` and `%{header_json}` are JSON and hold every variable.
    #[test]
    fn json_holds_every_variable() {
        let json: serde_json::Value = serde_json::from_slice(&printed("%{json}", &facts()).stdout).unwrap();
        assert_eq!(json.as_object().unwrap().len(), VARIABLES.len());
        assert_eq!(
            (&json["http_code"], &json["time_total"], &json["errormsg"]),
            (&204.into(), &1.5.into(), &serde_json::Value::Null)
        );
        assert_eq!(printed("%{header_json}", &facts()).stdout, br#"{"content-type":["a/b"],"x":["1"]}"#);
    }
}
