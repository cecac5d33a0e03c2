//! Header fields as a caller wrote them, and what of them is sent.

use afield_egress::fuzz::fields;
use afield_exchange::{Header, Limits};
use std::collections::HashSet;

/// Fields that frame a message or concern one hop only.
const NEVER: &[&str] = &[
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "trailer",
    "upgrade",
    "expect",
    "http2-settings",
];

/// Small limits, so that mutated inputs reach them.
fn limits() -> Limits {
    Limits { header_count: 8, header_bytes: 64, headers_bytes: 256, ..Limits::default() }
}

/// Takes lines `name: value`, each ended by LF or CRLF, as the fields of a request. Panics if what would be sent breaks a promise.
pub fn header_hygiene(data: &[u8]) {
    let given = parse(data);
    let limits = limits();
    let Ok(sent) = fields("http://origin.test/", &given, &limits) else { return };
    assert!(given.len() <= limits.header_count, "too many fields got past the limit");
    let named: HashSet<String> = (given.iter().filter(|field| field.is("connection")))
        .flat_map(|field| field.value.split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
        .collect();
    for (name, value) in &sent {
        let name = name.as_str();
        assert!(!NEVER.contains(&name) && !name.starts_with("proxy-"), "{name} is sent");
        // `TE` is always named there, and may say one thing.
        assert!(name == "te" || !named.contains(name), "{name} is sent although Connection names it");
        assert!(name != "te" || value == "trailers", "te says {value:?}");
        assert!(
            value.as_bytes().iter().all(|byte| !matches!(byte, b'\r' | b'\n' | 0 | 0x7f)),
            "{name} smuggles a control character"
        );
        assert!(value.len() <= limits.header_bytes, "{name} is over the limit");
        assert!(given.iter().any(|field| field.is(name)), "{name} was never given");
    }
    assert!(sent.get_all("host").iter().count() <= 1, "two hosts are sent");
}

fn parse(data: &[u8]) -> Vec<Header> {
    (data.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)))
        .filter(|line| !line.is_empty())
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let value = line.get(colon + 1..).unwrap_or_default();
            Header::new(String::from_utf8_lossy(&line[..colon]), bytes::Bytes::copy_from_slice(value))
        })
        .collect()
}
