//! The tables of `docs/protocol.md` are those of the code.

use afield_exchange::{Blame, Error, Kind, Limits, Retry, detail};
use afield_protocol::{
    BASE_SILENCE, PING_EVERY, RpcError, SILENCE,
    resumable::{
        BODY_MESSAGE_BYTES, GREATEST_ID, HEADER_BYTES, INLINE_BODY, INLINE_UPLOAD, LEAST_KEPT, WINDOW_RANGE,
    },
};
use serde_json::Value;

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md")).unwrap()
}

/// The rows of the table with this head: their cells.
fn table(page: &str, head: &str) -> Vec<Vec<String>> {
    let lines = page.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Numbers as the page writes them: `1,024`, `64 KiB`, `10 s`, `1 h`, in bytes and milliseconds.
fn number(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u64 = number.replace(',', "").parse().unwrap_or_else(|_| panic!("{text:?} is no number"));
    number
        * match unit {
            "" | "ms" | "bytes" => 1,
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            "s" => 1000,
            "min" => 60_000,
            "h" => 3_600_000,
            other => panic!("{other:?} is no unit"),
        }
}

/// Proves that every limit that is reported is in the table of limits, under its name and with its default, and no other.
#[test]
fn page_limits_are_the_defaults() {
    let Value::Object(mut limits) = serde_json::to_value(Limits::default()).unwrap() else { panic!() };
    for row in table(&page(), "| limit | name | default |") {
        let [_, names, defaults] = &row[..] else { panic!("{row:?}") };
        if names == "fixed" {
            continue;
        }
        let names: Vec<_> = names.split(", ").map(|name| name.trim_matches('`')).collect();
        // Numbers of one row are separated by semicolons, or by commas and spaces: "64 KiB, 256 KiB".
        let defaults: Vec<_> = defaults.split(&[';', ','][..]).map(str::trim).collect();
        let defaults = match defaults.len() == names.len() {
            true => defaults.into_iter().map(str::to_owned).collect(),
            // A comma inside a number.
            false => row[2].split(';').map(|text| text.trim().to_owned()).collect::<Vec<_>>(),
        };
        assert_eq!(defaults.len(), names.len(), "{row:?}");
        for (name, default) in names.into_iter().zip(defaults) {
            let limit = limits.remove(name).unwrap_or_else(|| panic!("there is no limit {name}"));
            assert_eq!(limit, number(&default), "{name}");
        }
    }
    assert!(limits.is_empty(), "the page lacks {limits:?}");
}

/// Proves that the numbers that cannot be set are the code's.
#[test]
fn page_numbers_are_the_code_s() {
    let rows = table(&page(), "| what | where | value |");
    let value = |what: &str| -> Vec<u64> {
        let row =
            rows.iter().find(|row| row[0] == what).unwrap_or_else(|| panic!("{what} is not in the table"));
        row[2].split(';').map(|text| number(text.trim())).collect()
    };
    let millis = |duration: std::time::Duration| duration.as_millis() as u64;
    assert_eq!(value("fragment of a sender"), [256 * 1024]);
    assert_eq!(
        value("ping; silence in afield/1; silence in base"),
        [millis(PING_EVERY), millis(SILENCE), millis(BASE_SILENCE)]
    );
    assert_eq!(
        value("header of a body message; its payload"),
        [HEADER_BYTES as u64, BODY_MESSAGE_BYTES as u64]
    );
    assert_eq!(
        value("inline answer; afield's inline request body"),
        [INLINE_BODY as u64, INLINE_UPLOAD as u64]
    );
    assert_eq!(value("what a stream keeps beyond `sessionBodyBytes`"), [LEAST_KEPT]);
    let row = |what: &str| rows.iter().find(|row| row[0] == what).map(|row| row[2].clone()).unwrap();
    assert_eq!((row("greatest id of a request"), GREATEST_ID), ("2⁵³−1".to_owned(), (1 << 53) - 1));
    let (least, most) = (WINDOW_RANGE.start() / 1024, WINDOW_RANGE.end() / (1024 * 1024));
    assert_eq!(row("window"), format!("{least} KiB to {most} MiB"));
}

/// Proves that each row of the table of errors is what the code writes for such an error: code, beginning, kind, blame and
/// retry.
#[test]
fn page_errors_are_the_code_s() {
    let rows = table(&page(), "| refused because of | code | message begins |");
    let new = |kind, blame, retry| Error::new(kind, blame, retry, "WHY");
    let too_large = |word: &'static str| new(Kind::TooLarge, Blame::Caller, Retry::No).with_detail(word);
    let variable = |word| Error::invalid(word, "NAME V");
    for (row, error) in [
        ("method", Error::invalid(detail::METHOD, "WHY")),
        ("URL", Error::invalid(detail::URL, "WHY")),
        ("URL over a limit", too_large(detail::URL)),
        ("scheme", Error::invalid(detail::SCHEME, "WHY")),
        ("header name, `Transfer-Encoding`", Error::invalid(detail::HEADER_NAME, "WHY")),
        ("header value, two `Host`s", Error::invalid(detail::HEADER_VALUE, "NAME: WHY")),
        ("headers over a limit", too_large(detail::HEADERS)),
        ("request body over a limit", too_large(detail::REQUEST_BODY)),
        (
            "request body that breaks its rules: a gap, an overrun, an early end, another length than announced",
            Error::invalid(detail::REQUEST_BODY, "WHY"),
        ),
        ("header variable that is not set", variable(detail::HEADER_VARIABLE_ABSENT)),
        ("header variable that is not allowed", variable(detail::HEADER_VARIABLE_REFUSED)),
        ("active stream id (base)", Error::invalid(detail::REQUEST_ID, "ID")),
        ("any other parameter", Error::invalid(detail::PARAMS, "WHY")),
        ("name that does not resolve", new(Kind::Dns, Blame::Network, Retry::Safe)),
        ("too many active requests", Error::overloaded("WHY")),
        ("cancelled", Error::cancelled()),
        ("destination denied by policy", new(Kind::PolicyDenied, Blame::Operator, Retry::No)),
        ("response body over a limit", Error::response_body_too_large(1)),
    ] {
        let cells =
            rows.iter().find(|cells| cells[0] == row).unwrap_or_else(|| panic!("{row} is not in the table"));
        let [_, code, beginning, kind, blame, retry] = &cells[..] else { panic!("{cells:?}") };
        let wire = RpcError::from_error(&error);
        let data = serde_json::to_value(wire.data.as_ref().unwrap()).unwrap();
        assert_eq!(*code, format!("`{}`", wire.code), "{row}");
        let beginning = beginning.trim_matches('`').trim();
        assert!(wire.message.starts_with(beginning.trim_matches('`').trim()), "{row}: {}", wire.message);
        assert_eq!(*kind, format!("`{}`", data["kind"].as_str().unwrap()), "{row}");
        assert_eq!(
            (blame.as_str(), retry.as_str()),
            (data["blame"].as_str().unwrap(), data["retry"].as_str().unwrap()),
            "{row}"
        );
    }
}
