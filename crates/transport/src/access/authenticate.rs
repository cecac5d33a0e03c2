use super::{Arrival, Authorization, Peer, Principal, PrincipalKind};
use std::{fmt, sync::Arc};

/// Decides who a peer is, from what it presents.
pub trait Authenticate: Send + Sync + 'static {
    /// Who presents these credentials, and until when they hold. Called for every upgrade; does not block.
    fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Grant, Unauthorized>;

    /// What is asked of a peer, in a word or two for the operator.
    fn mode(&self) -> String;

    /// Of which kinds the principals are that have names of somebody's choice.
    fn kinds(&self) -> Vec<PrincipalKind> {
        Vec::new()
    }

    /// Returns how many principals are known by name. There may be more.
    fn known_principals(&self) -> usize {
        0
    }

    /// Whether nothing is asked.
    fn lets_anybody_in(&self) -> bool {
        false
    }
}

impl<A: Authenticate + ?Sized> Authenticate for Arc<A> {
    fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Grant, Unauthorized> {
        (**self).authenticate(credentials)
    }

    fn mode(&self) -> String {
        (**self).mode()
    }

    fn kinds(&self) -> Vec<PrincipalKind> {
        (**self).kinds()
    }

    fn known_principals(&self) -> usize {
        (**self).known_principals()
    }

    fn lets_anybody_in(&self) -> bool {
        (**self).lets_anybody_in()
    }
}

/// What a peer presents. `Debug` shows no token.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The bearer token in its `Authorization` header; `None` if the header is absent, repeated, empty or of another
    /// scheme.
    pub bearer: Option<&'a str>,
    /// Where it is, and the certificate of the TLS handshake.
    pub arrival: &'a Arrival,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("bearer", &self.bearer.map(|_| "…"))
            .field("peer", &self.arrival.peer)
            .field("certificate", &self.arrival.certificate)
            .finish()
    }
}

/// Who a peer is, and until when.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who.
    pub principal: Principal,
    /// Until when.
    pub authorization: Authorization,
}

impl From<Principal> for Grant {
    fn from(principal: Principal) -> Self {
        Self { principal, authorization: Authorization::permanent() }
    }
}

/// Why a peer is not let in. Ordered by how much it tells: of several, the greatest is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unauthorized {
    /// It presented nothing.
    Missing,
    /// It presented something that is not accepted.
    Wrong,
    /// What it presented is sound as far as it goes, but is not accepted for this reason: a word for the operator.
    Rejected(&'static str),
    /// What it presented was accepted once, and has expired.
    Expired,
}

impl Unauthorized {
    /// A stable word for the audit.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "credential_missing",
            Self::Wrong => "credential_wrong",
            Self::Rejected(why) => why,
            Self::Expired => "credential_expired",
        }
    }
}

/// Lets everybody in: a process of this machine as `uid:` and its user's number, others as `anonymous`. For listeners
/// that only trusted peers can reach.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAuthentication;

impl Authenticate for NoAuthentication {
    fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Grant, Unauthorized> {
        Ok(match credentials.arrival.peer {
            Peer::Tcp(_) => Principal::anonymous(),
            Peer::Unix { uid, .. } => Principal::user(uid),
        }
        .into())
    }

    fn mode(&self) -> String {
        "none".to_owned()
    }

    fn lets_anybody_in(&self) -> bool {
        true
    }
}
