use crate::reading::{Key, Kind, Section, Table};
use afield_exchange::Limits;
use std::time::Duration;

/// The limits that the file sets; the others keep their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings(Vec<(&'static str, Setting)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Number(usize),
    Time(Duration),
}

/// More than any machine has of anything.
const MOST: i64 = 1 << 40;
const NO_BOUND: u64 = 1 << 40;

pub(super) static TABLE: Table = Table {
    path: "limits",
    meaning: "The limits of `afield serve`. They hold from its start: a change needs a restart. The flag `--limit` takes the names that an executor reports: `windowBytes=4M`, `headMs=60000`.",
    keys: &[
        Key::new(
            "connections",
            Kind::Integer(1, MOST),
            "`1024`",
            "Connections whose peers have said who they are.",
        ),
        Key::new(
            "unauthenticated",
            Kind::Integer(1, MOST),
            "`64`",
            "Connections that have not yet said who they are.",
        ),
        Key::new(
            "sessions",
            Kind::Integer(1, MOST),
            "`1024`",
            "Sessions, those that wait for a connection included.",
        ),
        Key::new("session_requests", Kind::Integer(1, MOST), "`1024`", "Active requests of one session."),
        Key::new("requests", Kind::Integer(1, MOST), "`16384`", "Active requests in all."),
        Key::new(
            "idle_connections",
            Kind::Integer(1, MOST),
            "`4096`",
            "Connections to origins that are kept for the next request.",
        ),
        Key::new(
            "kept_bytes",
            Kind::Size,
            "`\"512M\"`",
            "What is kept in memory for all principals, whatever the reason: messages and bodies that are read whole, windows, answers that nobody has taken. The process stays below it and a fifth, or 128 MiB where that is more.",
        ),
        Key::new(
            "shares",
            Kind::Integer(1, 1 << 16),
            "`8`",
            "Principals for each of which a part is kept back of `kept_bytes`, `connections`, `sessions`, `requests` and `idle_connections`: one half of each is cut into so many parts, the other goes to whoever asks first.",
        ),
        Key::new("header_count", Kind::Integer(1, MOST), "`100`", "Header fields of a request."),
        Key::new("message_bytes", Kind::Size, "`\"64M\"`", "One incoming message."),
        Key::new(
            "first_message_bytes",
            Kind::Size,
            "`\"64K\"`",
            "One incoming message before a session has begun.",
        ),
        Key::new(
            "message",
            Kind::Duration,
            "`\"5m\"`",
            "How long one incoming message may take from its first byte to its last.",
        ),
        Key::new(
            "buffered_body_bytes",
            Kind::Size,
            "`\"47M\"`",
            "A response body that is read whole before it is answered.",
        ),
        Key::new("body_message_bytes", Kind::Size, "`\"256K\"`", "Body bytes in one message."),
        Key::new(
            "queued_bytes",
            Kind::Size,
            "`\"4M\"`",
            "Answers owed to one connection; beyond it, that connection is not read.",
        ),
        Key::new("window_bytes", Kind::Size, "`\"1M\"`", "Unacknowledged bytes of one body: `64K` to `16M`."),
        Key::new("session_body_bytes", Kind::Size, "`\"64M\"`", "Response bodies kept for one session."),
        Key::new("session_head_bytes", Kind::Size, "`\"16M\"`", "Response heads kept for one session."),
        Key::new("header_bytes", Kind::Size, "`\"64K\"`", "One request header value."),
        Key::new("headers_bytes", Kind::Size, "`\"256K\"`", "All header names and values of a request."),
        Key::new("url_bytes", Kind::Size, "`\"8K\"`", "The URL."),
        Key::new("response_header_count", Kind::Integer(1, MOST), "`256`", "Header fields of a response."),
        Key::new(
            "response_headers_bytes",
            Kind::Size,
            "`\"400K\"`",
            "All header names and values of a response.",
        ),
        Key::new(
            "informational_responses",
            Kind::Integer(1, MOST),
            "`64`",
            "Informational (1xx) responses to one request.",
        ),
        Key::new(
            "handshake",
            Kind::Duration,
            "`\"10s\"`",
            "Time to finish the upgrade, and again to begin a session.",
        ),
        Key::new("connect", Kind::Duration, "`\"10s\"`", "Connecting to an origin, TLS included."),
        Key::new("dns", Kind::Duration, "`\"5s\"`", "Resolving a name."),
        Key::new(
            "head",
            Kind::Duration,
            "`\"1h\"`",
            "The longest wait for a response head, whatever the caller asks.",
        ),
        Key::new("grace", Kind::Duration, "`\"60s\"`", "How long a session outlives its connection."),
    ],
};

macro_rules! settings {
    ($($name:ident: $kind:ident $(($least:expr, $most:expr))?,)+) => {
        pub(super) fn read(section: &Section<'_>) -> LimitSettings {
            let mut settings = Vec::new();
            $(settings.extend(settings!(@read section $name $kind $($least, $most)?));)+
            LimitSettings(settings)
        }

        impl LimitSettings {
            /// Sets what the file sets.
            pub fn apply(&self, limits: &mut Limits) {
                for (name, setting) in &self.0 {
                    match (*name, *setting) {
                        $((stringify!($name), settings!(@pattern $kind value)) => limits.$name = value,)+
                        (name, _) => unreachable!("{name} was read as another kind"),
                    }
                }
            }
        }
    };
    (@read $section:ident $name:ident Number) => {
        $section.integer(stringify!($name)).and_then(|number| Some((stringify!($name), Setting::Number(usize::try_from(number).ok()?))))
    };
    (@read $section:ident $name:ident Size $least:expr, $most:expr) => {
        $section.size(stringify!($name), $least, $most).and_then(|size| Some((stringify!($name), Setting::Number(usize::try_from(size).ok()?))))
    };
    (@read $section:ident $name:ident Time $zero:expr, $_unused:expr) => {
        $section.duration(stringify!($name), $zero).map(|time| (stringify!($name), Setting::Time(time)))
    };
    (@pattern Number $value:ident) => { Setting::Number($value) };
    (@pattern Size $value:ident) => { Setting::Number($value) };
    (@pattern Time $value:ident) => { Setting::Time($value) };
}

settings! {
    connections: Number,
    unauthenticated: Number,
    sessions: Number,
    session_requests: Number,
    requests: Number,
    idle_connections: Number,
    kept_bytes: Size(1 << 20, NO_BOUND),
    shares: Number,
    header_count: Number,
    message_bytes: Size(1, NO_BOUND),
    first_message_bytes: Size(4 << 10, NO_BOUND),
    message: Time(false, ()),
    buffered_body_bytes: Size(1, NO_BOUND),
    body_message_bytes: Size(1, 256 << 10),
    queued_bytes: Size(1, NO_BOUND),
    window_bytes: Size(64 << 10, 16 << 20),
    session_body_bytes: Size(1, NO_BOUND),
    session_head_bytes: Size(1, NO_BOUND),
    header_bytes: Size(1, NO_BOUND),
    headers_bytes: Size(1, NO_BOUND),
    url_bytes: Size(1, NO_BOUND),
    response_header_count: Number,
    response_headers_bytes: Size(1, NO_BOUND),
    informational_responses: Number,
    handshake: Time(false, ()),
    connect: Time(false, ()),
    dns: Time(false, ()),
    head: Time(false, ()),
    grace: Time(true, ()),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that every limit an executor reports has its key, with the default that is documented.
    #[test]
    fn every_limit_has_its_key() {
        let reported = serde_json::to_value(Limits::default()).unwrap();
        let reported = reported.as_object().unwrap();
        assert_eq!(reported.len(), TABLE.keys.len());
        for key in TABLE.keys {
            let mut words = key.name.split('_');
            let mut name = words.next().unwrap().to_owned();
            words.for_each(|word| name.extend([word[..1].to_uppercase(), word[1..].to_owned()]));
            let default = key.default.trim_matches(['`', '"']);
            let meant = match key.kind {
                Kind::Duration => {
                    name.push_str("Ms");
                    u64::try_from(crate::parse_duration(default).unwrap().as_millis()).unwrap()
                }
                _ => crate::size::parse_size(default).unwrap(),
            };
            assert_eq!(reported[&name], meant, "{name}");
        }
    }
}
