use crate::failure::Failure;
use afield_exchange::Limits;
use std::{str::FromStr, time::Duration};

/// One `--limit NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    name: &'static str,
    value: u64,
}

macro_rules! limits {
    (numbers: $($number:literal => $field:ident,)+ durations: $($millis:literal => $duration:ident,)+) => {
        /// Every name, as it is reported to clients.
        const NAMES: &[&str] = &[$($number,)+ $($millis,)+];

        impl Setting {
            /// Sets the limit.
            pub fn apply(&self, limits: &mut Limits) -> Result<(), Failure> {
                match self.name {
                    $($number => limits.$field = usize::try_from(self.value).map_err(|_| {
                        Failure::new(crate::ExitCode::ServeUsage, concat!("the limit ", $number, " is too large for this machine"))
                    })?,)+
                    $($millis => limits.$duration = Duration::from_millis(self.value),)+
                    other => unreachable!("{other} is not in the table it was found in"),
                }
                Ok(())
            }
        }
    };
}

limits! {
    numbers:
    "connections" => connections,
    "unauthenticated" => unauthenticated,
    "sessions" => sessions,
    "sessionRequests" => session_requests,
    "requests" => requests,
    "idleConnections" => idle_connections,
    "keptBytes" => kept_bytes,
    "shares" => shares,
    "messageBytes" => message_bytes,
    "firstMessageBytes" => first_message_bytes,
    "bufferedBodyBytes" => buffered_body_bytes,
    "bodyMessageBytes" => body_message_bytes,
    "queuedBytes" => queued_bytes,
    "windowBytes" => window_bytes,
    "sessionBodyBytes" => session_body_bytes,
    "sessionHeadBytes" => session_head_bytes,
    "headerCount" => header_count,
    "headerBytes" => header_bytes,
    "headersBytes" => headers_bytes,
    "urlBytes" => url_bytes,
    "responseHeaderCount" => response_header_count,
    "responseHeadersBytes" => response_headers_bytes,
    "informationalResponses" => informational_responses,
    durations:
    "handshakeMs" => handshake,
    "messageMs" => message,
    "connectMs" => connect,
    "dnsMs" => dns,
    "headMs" => head,
    "graceMs" => grace,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, for example windowBytes=4M")?;
        let name = NAMES
            .iter()
            .find(|known| known.eq_ignore_ascii_case(name))
            .copied()
            .ok_or_else(|| unknown(name))?;
        let value = if name.ends_with("Bytes") {
            value.parse::<crate::request::Size>()?.0
        } else {
            value.parse().map_err(|_| format!("{value:?} is not a number"))?
        };
        if value == 0 && name != "graceMs" {
            return Err(format!("{name} cannot be 0"));
        }
        if name == "windowBytes" && !(64 << 10..=16 << 20).contains(&value) {
            return Err("windowBytes is from 64K to 16M".into());
        }
        if name == "bodyMessageBytes" && value > 256 << 10 {
            return Err("bodyMessageBytes is at most 256K".into());
        }
        if name == "keptBytes" && value < 1 << 20 {
            return Err("keptBytes is 1M at least".into());
        }
        if name == "firstMessageBytes" && value < 4 << 10 {
            return Err("firstMessageBytes is 4K at least".into());
        }
        Ok(Self { name, value })
    }
}

fn unknown(name: &str) -> String {
    let nearest =
        NAMES.iter().min_by_key(|known| distance(&known.to_ascii_lowercase(), &name.to_ascii_lowercase()));
    format!(
        "there is no limit {name:?}; did you mean {}? Known are {}",
        nearest.copied().unwrap_or_default(),
        NAMES.join(", ")
    )
}

/// Levenshtein's distance: insertions, removals and replacements from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that every limit an executor reports can be set by the name under which it is reported.
    #[test]
    fn every_reported_limit_can_be_set_by_its_name() {
        let reported = serde_json::to_value(Limits::default()).unwrap();
        let reported = reported.as_object().unwrap();
        assert_eq!(reported.len(), NAMES.len());
        let value = |name: &str| if name == "keptBytes" { 1 << 30 } else { 131_072 };
        for name in reported.keys() {
            let mut limits = Limits::default();
            let setting: Setting = format!("{name}={}", value(name)).parse().unwrap();
            setting.apply(&mut limits).unwrap();
            assert_eq!(serde_json::to_value(limits).unwrap()[name], value(name), "{name}");
        }
    }

    /// Proves that an unknown name is answered with the nearest known one, and nonsense with a reason.
    #[test]
    fn an_unknown_limit_names_the_nearest() {
        let error = "windowByte=1M".parse::<Setting>().unwrap_err();
        assert!(error.contains("did you mean windowBytes?"), "{error}");
        let error = "header_ms=1".parse::<Setting>().unwrap_err();
        assert!(
            error.contains("did you mean headMs?") || error.contains("did you mean headerBytes?"),
            "{error}"
        );
        for nonsense in
            ["windowBytes", "windowBytes=", "headMs=1s", "requests=0", "windowBytes=1K", "windowBytes=1G"]
        {
            assert!(nonsense.parse::<Setting>().is_err(), "{nonsense}");
        }
    }
}
