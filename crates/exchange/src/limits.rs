use serde::Serialize;
use std::time::Duration;

/// Every limit an executor enforces, with its default. Reported to clients under the names of the wire protocol
/// (camelCase; durations in milliseconds, sizes in bytes).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Connections whose peers have said who they are.
    pub connections: usize,
    /// Connections that have not yet been authenticated.
    pub unauthenticated: usize,
    /// Sessions, detached ones included.
    pub sessions: usize,
    /// Time to finish the upgrade, and again to `initialize`.
    #[serde(rename = "handshakeMs", serialize_with = "millis")]
    pub handshake: Duration,
    /// Active requests in one session.
    pub session_requests: usize,
    /// Active requests in the whole executor.
    pub requests: usize,
    /// Connections to origins that are kept for the next request.
    pub idle_connections: usize,
    /// One incoming message.
    pub message_bytes: usize,
    /// One incoming message before `initialize`.
    pub first_message_bytes: usize,
    /// The time that one incoming message may take from its first byte to its last.
    #[serde(rename = "messageMs", serialize_with = "millis")]
    pub message: Duration,
    /// What is kept in memory for all principals, whatever the reason.
    pub kept_bytes: usize,
    /// Principals for each of which a part is kept back of what they share: `kept_bytes`, `connections`, `sessions`,
    /// `requests`, `idle_connections`. One half of each is cut into this many parts, the other goes to whoever asks first.
    pub shares: usize,
    /// A response body that is read whole before it is answered.
    pub buffered_body_bytes: usize,
    /// Body bytes in one message.
    pub body_message_bytes: usize,
    /// Answers owed to one connection; beyond it, that connection is not read.
    pub queued_bytes: usize,
    /// Unacknowledged body bytes of one stream.
    pub window_bytes: usize,
    /// Response bodies kept for one session.
    pub session_body_bytes: usize,
    /// Response heads kept for one session.
    pub session_head_bytes: usize,
    /// Request header fields.
    pub header_count: usize,
    /// One request header value.
    pub header_bytes: usize,
    /// All request header names and values together.
    pub headers_bytes: usize,
    /// The URL.
    pub url_bytes: usize,
    /// Response header fields.
    pub response_header_count: usize,
    /// All response header names and values together.
    pub response_headers_bytes: usize,
    /// Informational (1xx) responses to one request.
    pub informational_responses: usize,
    /// Connecting to an origin, TLS included.
    #[serde(rename = "connectMs", serialize_with = "millis")]
    pub connect: Duration,
    /// Resolving a name.
    #[serde(rename = "dnsMs", serialize_with = "millis")]
    pub dns: Duration,
    /// The longest wait for a response head, whatever the caller asks.
    #[serde(rename = "headMs", serialize_with = "millis")]
    pub head: Duration,
    /// How long a session outlives its connection.
    #[serde(rename = "graceMs", serialize_with = "millis")]
    pub grace: Duration,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            unauthenticated: 64,
            sessions: 1024,
            handshake: Duration::from_secs(10),
            session_requests: 1024,
            requests: 16_384,
            idle_connections: 4096,
            message_bytes: 64 * MIB,
            first_message_bytes: 64 * KIB,
            message: Duration::from_secs(300),
            kept_bytes: 512 * MIB,
            shares: 8,
            buffered_body_bytes: 47 * MIB,
            body_message_bytes: 256 * KIB,
            queued_bytes: 4 * MIB,
            window_bytes: MIB,
            session_body_bytes: 64 * MIB,
            session_head_bytes: 16 * MIB,
            header_count: 100,
            header_bytes: 64 * KIB,
            headers_bytes: 256 * KIB,
            url_bytes: 8 * KIB,
            response_header_count: 256,
            response_headers_bytes: 400 * KIB,
            informational_responses: 64,
            connect: Duration::from_secs(10),
            dns: Duration::from_secs(5),
            head: Duration::from_secs(3600),
            grace: Duration::from_secs(60),
        }
    }
}

fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
