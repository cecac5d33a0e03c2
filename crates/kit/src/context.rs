use crate::{
    KitError, Section,
    checks::{Outcome, Stop},
    origin::Origin,
    wire::{Came, Wire},
};
use afield_protocol::resumable::DIALECT;
use afield_transport::{BearerToken, DialConfig, WebSocket, dial};
use serde_json::{Value, json};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

/// What is to be tried, and how it is reached.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// How the executor is reached: URL, TLS, proxy. Its token is [`token`](Self::token).
    pub dial: DialConfig,
    /// The token, if the executor wants one. Never shown.
    pub token: Option<String>,
    /// Where the kit's own origin is.
    pub origin: OriginOptions,
    /// How long an answer that must come is waited for. Default 5 s.
    pub patience: Duration,
    /// How long what only time brings is waited for: the end of a session's grace, a connection without `initialize`, pings,
    /// silence. What takes longer is not tried. Default 15 s; 70 s tries all of an executor with the usual limits.
    pub longest_wait: Duration,
    /// The sections to try; none: all of them.
    pub sections: Vec<Section>,
}

/// Where the kit's origin listens, and how the executor reaches it.
#[derive(Clone, Debug)]
pub struct OriginOptions {
    /// Where it listens. Default: a free port of `127.0.0.1`.
    pub bind: SocketAddr,
    /// The host by which the executor reaches it. Default: the address that was bound.
    pub host: Option<String>,
}

impl Options {
    /// The executor at this URL, with an origin on loopback.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            dial: DialConfig::new(url),
            token: None,
            origin: OriginOptions { bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), host: None },
            patience: Duration::from_secs(5),
            longest_wait: Duration::from_secs(15),
            sections: Vec::new(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("dial", &self.dial)
            .field("token", &self.token.is_some())
            .field("origin", &self.origin)
            .field("patience", &self.patience)
            .field("longest_wait", &self.longest_wait)
            .field("sections", &self.sections)
            .finish()
    }
}

/// What every check has: ways to the executor, an origin, and what the executor said of itself.
pub(crate) struct Context {
    pub dial: DialConfig,
    pub token: Option<String>,
    pub origin: Origin,
    pub patience: Duration,
    pub longest_wait: Duration,
    /// The answer to an `initialize` that offers afield/1.
    pub hello: Value,
}

/// The smallest window that may be asked for; small bodies fill it.
pub(crate) const WINDOW: u64 = 65_536;

impl Context {
    pub async fn open(options: &Options) -> Result<Self, KitError> {
        let mut dial = options.dial.clone();
        dial.token = options.token.as_deref().map(BearerToken::new);
        let origin = Origin::start(&options.origin)
            .await
            .map_err(|source| KitError::Origin { address: options.origin.bind, source })?;
        let mut context = Self {
            dial,
            token: options.token.clone(),
            origin,
            patience: options.patience,
            longest_wait: options.longest_wait,
            hello: Value::Null,
        };
        let unreachable = |stop: Stop| KitError::Unreachable(stop.to_string());
        let mut wire = context.connect().await.map_err(unreachable)?;
        let answer = wire.call("initialize", hello()).await.map_err(unreachable)?;
        if answer.get("result").is_none() {
            return Err(KitError::Unreachable(format!("initialize was answered with {answer}")));
        }
        context.hello = answer["result"].clone();
        wire.close(1000).await;
        Ok(context)
    }

    /// A connection on which nothing has been said.
    pub async fn connect(&self) -> Result<Wire, Stop> {
        let connection: WebSocket<_> =
            dial(&self.dial).await.map_err(|error| Stop::Failed(format!("no connection: {error}")))?;
        Ok(Wire::new(connection, self.patience))
    }

    /// A session in base.
    pub async fn base(&self) -> Result<Wire, Stop> {
        let mut wire = self.connect().await?;
        wire.initialize(json!({ "clientName": "afield-kit" })).await?;
        Ok(wire)
    }

    /// A session in afield/1 with the smallest window, and its id.
    pub async fn resumable(&self) -> Result<(Wire, String), Stop> {
        self.needs_resumable()?;
        let mut wire = self.connect().await?;
        let result = wire.initialize(hello()).await?;
        Ok((wire, text(&result["sessionId"])))
    }

    /// A connection that resumes a session: `initialize` is answered, `initialized` is sent.
    pub async fn attach(&self, session: &str, attempt: u64) -> Result<Wire, Stop> {
        let mut wire = self.connect().await?;
        let result = wire.initialize(again(session, attempt)).await?;
        expect(result["resumed"] == true, || format!("the session was not resumed: {result}"))?;
        Ok(wire)
    }

    /// Resumes a session as a client does that holds these requests. Returns the answer to the sync.
    pub async fn resume(&self, session: &str, attempt: u64, held: Value) -> Result<(Wire, Value), Stop> {
        let mut wire = self.attach(session, attempt).await?;
        let answer = wire.call_as("sync-1", "session/sync", json!({ "requests": held })).await?;
        expect(answer["result"]["requests"].is_array(), || format!("the sync was answered with {answer}"))?;
        Ok((wire, answer["result"].clone()))
    }

    pub fn needs_resumable(&self) -> Outcome {
        if self.hello["dialect"] == DIALECT {
            return Ok(());
        }
        Err(Stop::NotOffered("the executor does not speak afield/1".to_owned()))
    }

    /// One of the executor's limits.
    pub fn limit(&self, name: &str) -> Result<u64, Stop> {
        let limit = self.hello["limits"][name].as_u64();
        limit.ok_or_else(|| Stop::NotOffered(format!("the executor does not report the limit {name}")))
    }

    /// Which executor it is.
    pub fn instance(&self) -> Result<&str, Stop> {
        let instance = self.hello["instance"].as_str();
        instance.ok_or_else(|| Stop::NotOffered("the executor names no instance".to_owned()))
    }

    pub fn has_capability(&self, name: &str) -> bool {
        self.hello["environmentInfo"]["capabilities"][name] == true
    }
}

/// The parameters of `initialize` for afield/1.
pub(crate) fn hello() -> Value {
    json!({ "clientName": "afield-kit", "dialects": [DIALECT], "windowBytes": WINDOW })
}

/// The same, to resume.
pub(crate) fn again(session: &str, attempt: u64) -> Value {
    let mut params = hello();
    params["resumeSessionId"] = json!(session);
    params["attempt"] = json!(attempt);
    params
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Fails the check unless this is so.
pub(crate) fn expect(so: bool, why: impl FnOnce() -> String) -> Outcome {
    if so { Ok(()) } else { Err(Stop::Failed(why())) }
}

/// Fails the check unless this is an error of this code, and of this id.
pub(crate) fn expect_error(answer: &Value, code: i64) -> Outcome {
    expect(answer["error"]["code"] == code, || format!("{code} was to come, and {answer} did"))
}

/// Fails the check unless the connection was closed with this code.
pub(crate) fn expect_closed(came: &Came, code: u16) -> Outcome {
    expect(matches!(came, Came::Closed(with, _) if *with == Some(code)), || {
        format!("the connection was to be closed with {code}, and this came: {came}")
    })
}
