//! An egress whose every dial and every question to the resolver is counted, and short ways to ask it.

use afield_egress::{
    CaPolicy, Decision, Destination, Egress, EgressConfig, Policy, Preset, Resolve, Resolving, Rule, Scheme,
    Secrets, Upstreams,
};
use afield_exchange::{BodyError, Buffered, Error, Request, RequestBody};
use afield_testkit::{Names, Origin, within};
use bytes::Bytes;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the tests take for the public internet: `127.1.0.0/16`; for internal places: the rest of loopback.
pub fn public_only() -> Policy {
    Policy::new(Preset::PublicOnly, [Rule::allow().network("127.1.0.0/16").unwrap()])
}

/// The scripted resolver as an egress takes it.
pub struct Scripted(pub Names);

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, host: &'a str, _: Option<&'a str>) -> Resolving<'a> {
        Box::pin(async move { self.0.resolve(host).await.map_err(io::Error::other) })
    }
}

/// An egress under observation.
#[derive(Clone)]
pub struct World {
    pub egress: Egress,
    pub names: Names,
    dials: Arc<AtomicUsize>,
    allowed: Arc<AtomicUsize>,
}

impl World {
    /// Under the policy `standard`.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// Under this policy.
    pub fn under(policy: Policy) -> Self {
        Self::with(|config| config.policy = policy)
    }

    /// With this configuration.
    pub fn with(configure: impl FnOnce(&mut EgressConfig)) -> Self {
        let names = Names::new();
        let (dials, allowed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(usize::MAX)));
        let (counted, limit) = (Arc::clone(&dials), Arc::clone(&allowed));
        let mut config = EgressConfig {
            resolver: Arc::new(Scripted(names.clone())),
            ca: CaPolicy::Platform,
            dial_gate: Some(Arc::new(move || {
                counted.fetch_add(1, Ordering::SeqCst) < limit.load(Ordering::SeqCst)
            })),
            ..EgressConfig::default()
        };
        configure(&mut config);
        Self { egress: Egress::new(config).unwrap(), names, dials, allowed }
    }

    /// From here on nothing can be dialled, so that a test may name real places.
    pub fn sealed(self) -> Self {
        self.sealed_after(0)
    }

    /// As [`World::sealed`], but for this many dials counted from the first.
    pub fn sealed_after(self, dials: usize) -> Self {
        self.allowed.store(dials, Ordering::SeqCst);
        self
    }

    /// Puts this policy in force, without secrets and upstream rules.
    pub fn reload(&self, policy: Policy) {
        self.egress.reload(&policy, Secrets::default(), &Upstreams::default());
    }

    /// How many connection attempts were begun.
    pub fn dials(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }

    /// Performs a request that must end within the tests' patience.
    pub async fn call(&self, request: Request) -> Result<Buffered, Error> {
        within("the call ends", self.egress.call(request)).await
    }

    /// Gets this URL.
    pub async fn get(&self, url: impl Into<String>) -> Result<Buffered, Error> {
        self.call(Request::get(url)).await
    }

    /// Gets this URL, which must fail.
    pub async fn refused(&self, url: impl Into<String>) -> Error {
        let url = url.into();
        self.get(url.clone()).await.err().unwrap_or_else(|| panic!("{url} was answered"))
    }
}

/// What a policy says about a URL's host that is an address.
pub fn decide(policy: &Policy, address: &str, port: u16) -> Decision {
    let destination = Destination { scheme: Scheme::Http, host: address, port, method: "GET" };
    policy.decide(&destination, address.parse::<IpAddr>().unwrap())
}

/// The value of the only header of this name that the origin saw.
pub fn sent(request: &afield_testkit::origin::Request, name: &str) -> Option<String> {
    let values = request.values(name);
    assert!(values.len() <= 1, "{name} was sent {} times", values.len());
    values.first().map(|value| value.escape_ascii().to_string())
}

/// Every name of a header field that the origin saw, in order.
pub fn names_sent(request: &afield_testkit::origin::Request) -> Vec<&str> {
    request.headers().iter().map(|(name, _)| name.as_str()).collect()
}

/// Two origins at public places, and the egress that may reach them.
pub async fn two_origins() -> (World, Origin, Origin) {
    (World::under(public_only()), Origin::on("127.1.0.1").await, Origin::on("127.1.0.2").await)
}

/// A request body that comes in these pieces, with this length announced.
pub fn streamed<const N: usize>(length: Option<u64>, pieces: [&'static str; N]) -> RequestBody {
    let pieces = pieces.map(|piece| Ok::<_, BodyError>(Bytes::from_static(piece.as_bytes())));
    RequestBody::Stream { length, stream: Box::pin(futures_util::stream::iter(pieces)) }
}
