use afield_egress::CaPolicy;
use afield_exchange::{Limits, redacted_url};
use afield_transport::{BearerToken, ClientIdentity, Pin, Proxy};
use std::{fmt, time::Duration};

/// Where an executor is.
#[derive(Clone)]
pub enum Endpoint {
    /// `ws:` or `wss:`; `http:` and `https:` mean the same; `unix:PATH`. Userinfo is refused: see
    /// [`RemoteConfig::token`]. For `ssh:` see [`Endpoint::ssh`].
    Url(String),
    /// A program that speaks the protocol on its standard input and output, such as `ssh host afield stdio`. It is started for
    /// each connection, without a shell, and killed when that ends.
    Command {
        /// The program, looked for in `PATH`.
        program: String,
        /// Its arguments. They are not shown in logs or errors.
        arguments: Vec<String>,
        /// Variables that it gets besides those of this process. Their values are not shown either.
        variables: Vec<(String, String)>,
    },
}

impl Endpoint {
    /// The executor behind `ssh://[USER@]HOST[:PORT][/PATH]`, which may be written `ssh:HOST` too: `ssh` is run with
    /// `afield stdio` over there, which reaches the executor that listens on the Unix socket `PATH`, or where executors usually
    /// listen. Nothing is asked for on the terminal (`BatchMode`): what else ssh needs is in its own configuration.
    ///
    /// `None` if it is no such URL, or has anything in it that a shell might understand.
    pub fn ssh(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        if !scheme.eq_ignore_ascii_case("ssh") {
            return None;
        }
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (authority, path) =
            rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse::<u16>().ok()?)),
            _ => (authority, None),
        };
        let host = host.replace(['[', ']'], "");
        let plain = |text: &str, more: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.as_bytes().contains(&byte))
        };
        if host.is_empty() || host.starts_with('-') || !plain(&host, "._-@:%") {
            return None;
        }
        let mut arguments: Vec<String> = ["-T", "-o", "BatchMode=yes"].map(str::to_owned).into();
        if let Some(port) = port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        arguments.extend(["--".to_owned(), host, "afield".to_owned(), "stdio".to_owned()]);
        if let Some(path) = path.filter(|path| !path.is_empty()) {
            if !plain(path, "._-/") {
                return None;
            }
            arguments.push(format!("unix:/{path}"));
        }
        Some(Self::Command { program: "ssh".to_owned(), arguments, variables: Vec::new() })
    }
}

/// Which dialects are offered to an executor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `afield/1`, with base for executors that do not know it.
    #[default]
    Auto,
    /// Base only: nothing is offered.
    Base,
}

impl Dialect {
    /// Whether `afield/1` is offered.
    pub(super) fn offers_resumable(self) -> bool {
        self == Self::Auto
    }
}

/// How to reach an executor.
#[derive(Clone)]
pub struct RemoteConfig {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What is spoken with it.
    pub dialect: Dialect,
    /// The token, if the executor wants one.
    pub token: Option<BearerToken>,
    /// The roots that a `wss:` executor's certificate is checked against, read anew for each connection. Default: by
    /// environment.
    pub ca: CaPolicy,
    /// The executor's certificate must be one of these, if there are any. They take the place of the roots, unless
    /// [`ca`](Self::ca) names some: then both have to agree.
    pub pins: Vec<Pin>,
    /// The certificate to present where the executor asks for one, read anew for each connection.
    pub identity: Option<ClientIdentity>,
    /// The HTTP proxy to reach the executor through. Default: none; the environment is not asked.
    pub proxy: Option<Proxy>,
    /// Over connecting, up to the answer to `initialize`. Attempts that fail meanwhile are repeated if
    /// [`wait`](Self::wait) is set. Default 10 s.
    pub connect_timeout: Duration,
    /// Whether an executor that cannot be reached is tried again until the connect timeout, after 100 ms doubling up
    /// to 5 s, as far as its answer leaves hope. Default: yes. Without it one attempt decides.
    pub wait: bool,
    /// Who calls, for the executor's log. Default: `afield/` and the version.
    pub client_name: String,
    /// Send the token over `ws:` to an address that is not loopback, where whoever listens on the way can read it.
    /// Default: no.
    pub allow_plaintext_token: bool,
    /// Limits of this side: `message_bytes` on one message in, `session_requests` on exchanges under way, `window_bytes` on
    /// what of one response body may be unread (64 KiB to 16 MiB), and, in base, `buffered_body_bytes` on a request body.
    /// `grace` is how long a lost connection is sought if the executor does not say how long it waits. The others are the
    /// executor's.
    pub limits: Limits,
}

impl RemoteConfig {
    /// This URL with the defaults: no token, the usual roots, 10 s to connect, trying again meanwhile. `ssh://[USER@]HOST[:PORT]`
    /// is [`Endpoint::ssh`].
    pub fn new(url: impl Into<String>) -> Self {
        let url = url.into();
        Self::at(Endpoint::ssh(&url).unwrap_or(Endpoint::Url(url)))
    }

    /// A program that speaks the protocol on its standard input and output, with the same defaults.
    pub fn command(program: impl Into<String>, arguments: Vec<String>) -> Self {
        Self::at(Endpoint::Command { program: program.into(), arguments, variables: Vec::new() })
    }

    fn at(endpoint: Endpoint) -> Self {
        let limits = Limits::default();
        Self {
            endpoint,
            dialect: Dialect::default(),
            token: None,
            ca: CaPolicy::default(),
            pins: Vec::new(),
            identity: None,
            proxy: None,
            connect_timeout: limits.connect,
            wait: true,
            client_name: concat!("afield/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_plaintext_token: false,
            limits,
        }
    }
}

impl fmt::Debug for RemoteConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteConfig")
            .field("endpoint", &self.endpoint)
            .field("dialect", &self.dialect)
            .field("token", &self.token)
            .field("connect_timeout", &self.connect_timeout)
            .field("wait", &self.wait)
            .field("client_name", &self.client_name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(&redacted_url(url)),
            Self::Command { program, .. } => write!(f, "{program} …"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(url: &str) -> Option<String> {
        match Endpoint::ssh(url)? {
            Endpoint::Command { program, arguments, .. } => {
                Some(format!("{program} {}", arguments.join(" ")))
            }
            Endpoint::Url(_) => None,
        }
    }

    /// Proves which command an `ssh:` URL means, and that nothing in one becomes an option of ssh or is understood by the shell
    /// at the other end (case 184).
    #[test]
    fn ssh_url_becomes_command() {
        for (url, command) in [
            ("ssh:box", "box afield stdio"),
            ("ssh://box/", "box afield stdio"),
            (
                "SSH://me@box.test/run/user/1000/a_b.sock",
                "me@box.test afield stdio unix:/run/user/1000/a_b.sock",
            ),
            ("ssh://[2001:db8::1]", "2001:db8::1 afield stdio"),
        ] {
            assert_eq!(arguments(url), Some(format!("ssh -T -o BatchMode=yes -- {command}")), "{url}");
        }
        let with_port = "ssh -T -o BatchMode=yes -p 2222 -- me@box afield stdio";
        assert_eq!(arguments("ssh://me@box:2222").as_deref(), Some(with_port));
        for url in [
            "ssh:",
            "ssh://-oProxyCommand=x",
            "ssh://box:99999",
            "ssh://a b",
            "ssh://box/a;b",
            "ssh://box/$(x)",
            "ws://box",
        ] {
            assert_eq!(arguments(url), None, "{url}");
        }
    }
}
