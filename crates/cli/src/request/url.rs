use super::source::Source;
use crate::{ExitCode, failure::Failure};
use std::path::{Path, PathBuf};

/// The URL as curl would understand what was typed: without a scheme it is http, or what `--proto-default` says.
pub(crate) fn with_scheme(typed: &str, default: Option<&str>) -> Result<String, Failure> {
    let named = typed.contains("://") || ["http:", "https:"].iter().any(|scheme| starts_with(typed, scheme));
    match default.unwrap_or("http") {
        _ if named => Ok(typed.to_owned()),
        scheme @ ("http" | "https") => Ok(format!("{scheme}://{typed}")),
        _ => Err(Failure::new(ExitCode::UnsupportedScheme, "--proto-default is neither http nor https")),
    }
}

/// Refuses an IPv6 address with a zone for what it is.
pub(crate) fn refuse_zone(url: &str) -> Result<(), Failure> {
    let (host, ..) = split(url);
    let zoned = host.split_once("://[").and_then(|(_, rest)| rest.split_once(']'));
    match zoned {
        Some((address, _)) if address.contains('%') => Err(Failure::new(
            ExitCode::BadUrl,
            "the URL's IPv6 address has a zone (`%eth0`): it names an interface of one machine, and URLs have no place for it",
        )
        .with_hint("address the origin by a name, or by an address that needs no zone")),
        _ => Ok(()),
    }
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// `url` with `data` at the end of its query.
pub(crate) fn with_query(url: &str, data: &[u8]) -> Result<String, Failure> {
    let data = std::str::from_utf8(data).map_err(|_| {
        Failure::new(ExitCode::BadUrl, "data for the query is not text").with_hint("use --data-urlencode")
    })?;
    let (url, fragment) = match url.split_once('#') {
        Some((url, fragment)) => (url, Some(fragment)),
        None => (url, None),
    };
    let separator = match url.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let mut joined = format!("{url}{}{data}", if data.is_empty() { "" } else { separator });
    if let Some(fragment) = fragment {
        joined.push('#');
        joined.push_str(fragment);
    }
    Ok(joined)
}

/// `url`, with the name of the uploaded file at the end of its path if that ends with a slash or is missing.
pub(crate) fn with_upload_name(url: &str, source: &Source) -> String {
    let Source::File(path) = source else { return url.to_owned() };
    let Some(name) = path.file_name() else { return url.to_owned() };
    let (before, path, after) = split(url);
    let slash = match path {
        "" => "/",
        path if path.ends_with('/') => "",
        _ => return url.to_owned(),
    };
    format!("{before}{path}{slash}{}{after}", percent_encoded(name.as_encoded_bytes()))
}

/// The file name for `--remote-name`: the last part of the URL's path.
pub(crate) fn remote_name(url: &str) -> Result<PathBuf, Failure> {
    let (_, path, _) = split(url);
    match path.rsplit('/').next() {
        Some(name) if !matches!(name, "" | "." | "..") && !name.contains(['\\', '\0']) => {
            Ok(Path::new(name).to_owned())
        }
        _ => Err(Failure::new(ExitCode::Write, "the URL's path ends without a name for the file")
            .with_hint("choose one with -o FILE")),
    }
}

/// What comes before the path, the path, and the query with the fragment.
fn split(url: &str) -> (&str, &str, &str) {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let authority = url.find("://").map_or(0, |at| at + 3).min(end);
    let path = url[authority..end].find('/').map_or(end, |at| authority + at);
    (&url[..path], &url[path..end], &url[end..])
}

fn percent_encoded(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a URL without a scheme is http and that one with a scheme is left as typed.
    #[test]
    fn a_missing_scheme_is_http() {
        for (typed, meant) in [
            ("localhost:80/a", "http://localhost:80/a"),
            ("HTTPS://h", "HTTPS://h"),
            ("ftp://h", "ftp://h"),
            ("http:h", "http:h"),
            ("é.example", "http://é.example"),
        ] {
            assert_eq!(with_scheme(typed, None).unwrap(), meant);
        }
    }

    /// Proves where `--get` puts the data.
    #[test]
    fn data_goes_to_the_end_of_the_query() {
        for (url, meant) in [
            ("http://h/p", "http://h/p?a=1"),
            ("http://h/p?b", "http://h/p?b&a=1"),
            ("http://h/p?#f", "http://h/p?a=1#f"),
            ("http://h", "http://h?a=1"),
        ] {
            assert_eq!(with_query(url, b"a=1").unwrap(), meant);
        }
        assert_eq!(with_query("http://h/p", b"").unwrap(), "http://h/p");
    }

    /// Proves that an upload to a directory gets the file's name, and no other upload does.
    #[test]
    fn an_upload_to_a_slash_gets_the_files_name() {
        let source = Source::File("d/a b.txt".into());
        for (url, meant) in [
            ("http://h/d/", "http://h/d/a%20b.txt"),
            ("http://h", "http://h/a%20b.txt"),
            ("http://h/d/?q=/", "http://h/d/a%20b.txt?q=/"),
            ("http://h/d", "http://h/d"),
        ] {
            assert_eq!(with_upload_name(url, &source), meant);
        }
        assert_eq!(with_upload_name("http://h/", &Source::Stdin), "http://h/");
    }

    /// Proves that `-O` never leaves the directory and wants a name.
    #[test]
    fn a_remote_name_is_one_plain_name() {
        assert_eq!(remote_name("http://h/a/b.txt?q#f").unwrap(), Path::new("b.txt"));
        for url in ["http://h", "http://h/", "http://h/a/..", "http://h/."] {
            assert_eq!(remote_name(url).unwrap_err().code, ExitCode::Write, "{url}");
        }
    }
}
