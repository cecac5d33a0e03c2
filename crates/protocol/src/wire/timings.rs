use afield_exchange::{HttpVersion, Timings};
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, time::Duration};

/// How an exchange went, as an answer's `timings` says it. What is not known, and what is zero, is left out.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    #[serde(skip_serializing_if = "Option::is_none")]
    http_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_port: Option<u16>,
    #[serde(skip_serializing_if = "is_none")]
    connections: u32,
    #[serde(skip_serializing_if = "is_none")]
    redirects: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connected_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secured_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_us: Option<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

const VERSIONS: [(HttpVersion, &str); 3] =
    [(HttpVersion::Http10, "1.0"), (HttpVersion::Http11, "1.1"), (HttpVersion::Http2, "2")];

/// Returns what serialises to the object `timings`.
pub fn encode_timings(timings: &Timings) -> impl Serialize {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let version = |version: HttpVersion| VERSIONS.iter().find(|(known, _)| *known == version);
    Wire {
        http_version: timings.http_version.and_then(version).map(|(_, name)| (*name).to_owned()),
        remote_address: timings.remote_address,
        remote_port: timings.remote_port,
        connections: timings.connections,
        redirects: timings.redirects,
        redirect_us: (!timings.redirect.is_zero()).then(|| micros(timings.redirect)),
        resolved_us: timings.resolved.map(micros),
        connected_us: timings.connected.map(micros),
        secured_us: timings.secured.map(micros),
        ready_us: timings.ready.map(micros),
        head_us: timings.head.map(micros),
    }
}

/// Reads the object `timings`; `None` where it is of another shape: an answer is one without it too.
pub fn decode_timings(json: &str) -> Option<Timings> {
    let wire: Wire = serde_json::from_str(json).ok().filter(|_| json.starts_with('{'))?;
    let named = |name: &str| VERSIONS.iter().find(|(_, known)| *known == name).map(|(version, _)| *version);
    let mut timings = Timings::default();
    timings.http_version = wire.http_version.as_deref().and_then(named);
    timings.remote_address = wire.remote_address;
    timings.remote_port = wire.remote_port;
    timings.connections = wire.connections;
    timings.redirects = wire.redirects;
    timings.redirect = Duration::from_micros(wire.redirect_us.unwrap_or_default());
    timings.resolved = wire.resolved_us.map(Duration::from_micros);
    timings.connected = wire.connected_us.map(Duration::from_micros);
    timings.secured = wire.secured_us.map(Duration::from_micros);
    timings.ready = wire.ready_us.map(Duration::from_micros);
    timings.head = wire.head_us.map(Duration::from_micros);
    Some(timings)
}
