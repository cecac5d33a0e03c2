use crate::support::{Running, connect, connect_base};
use afield_client::{Local, Remote};
use afield_egress::{
    CaPolicy, EgressConfig, HeaderVariables, Policy, Preset, Resolve, Resolving, Rule, VariableError,
};
use afield_exchange::Limits;
use afield_testkit::{Names, Origin, names::NameError, tls::Ca};
use bytes::Bytes;
use std::{io, sync::Arc, time::Duration};

/// The largest body that is read whole here.
pub const BUFFERED: usize = 256 * 1024;

/// Clients under one configuration, all but one of them at an executor's, and origins for all.
pub struct World {
    pub local: Local,
    /// In afield/1.
    pub remote: Remote,
    pub base: Remote,
    pub origin: Origin,
    pub secure: Origin,
    /// Its certificate is for another name.
    pub misnamed: Origin,
    /// Its certificate is nobody's.
    pub untrusted: Origin,
    /// Where the policy forbids to go.
    pub forbidden: Origin,
    _executor: Running,
}

struct Scripted(Names);

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, host: &'a str, _: Option<&'a str>) -> Resolving<'a> {
        Box::pin(async move { self.0.resolve(host).await.map_err(io::Error::other) })
    }
}

struct Variables;

impl HeaderVariables for Variables {
    fn lookup(&self, name: &str, _host: &str) -> Result<Bytes, VariableError> {
        match name {
            "PRESENT" => Ok("value".into()),
            "ABSENT" => Err(VariableError::Absent),
            _ => Err(VariableError::Refused),
        }
    }
}

impl World {
    pub async fn start() -> Self {
        let (ca, nobodys) = (Ca::new(), Ca::new());
        let secure = async |ca: &Ca, name: &str| {
            let tls = ca.issue(&[name]).server().alpn(["http/1.1"]).build();
            Origin::builder().tls(tls).start().await.unwrap()
        };
        let config = || EgressConfig {
            policy: Policy::new(Preset::Standard, [Rule::deny().network("127.77.0.0/16").unwrap()]),
            limits: Limits {
                buffered_body_bytes: BUFFERED,
                connect: Duration::from_millis(400),
                dns: Duration::from_millis(300),
                url_bytes: 500,
                header_count: 20,
                header_bytes: 2000,
                headers_bytes: 4000,
                ..Limits::default()
            },
            ca: CaPolicy::Pem(Arc::from(ca.pem().into_bytes())),
            resolver: Arc::new(Scripted(names())),
            variables: Arc::new(Variables),
            ..EgressConfig::default()
        };
        let executor = Running::with_egress(config()).await;
        Self {
            local: Local::new(config()).unwrap(),
            remote: connect(executor.url()).await,
            base: connect_base(executor.url()).await,
            origin: Origin::start().await,
            secure: secure(&ca, "127.0.0.1").await,
            misnamed: secure(&ca, "other.test").await,
            untrusted: secure(&nobodys, "127.0.0.1").await,
            forbidden: Origin::on("127.77.0.1").await,
            _executor: executor,
        }
    }
}

fn names() -> Names {
    let names = Names::new();
    names.host("origin.test", ["127.0.0.1"]);
    names.host("forbidden.test", ["127.77.0.1"]);
    names.fails("broken.test", NameError::ServerFailure);
    names.fails("empty.test", NameError::Empty);
    names.hangs("hanging.test");
    names
}
