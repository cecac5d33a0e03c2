use ring::digest::{SHA256, digest};
use std::{fmt, sync::Arc};
use subtle::ConstantTimeEq;

/// Decides who a peer is, from the bearer token in its `Authorization` header.
pub trait Authenticate: Send + Sync + 'static {
    /// `bearer` is the token, or `None` if the header is absent, repeated, empty or of another scheme.
    fn authenticate(&self, bearer: Option<&str>) -> Result<Principal, Unauthorized>;

    /// What is asked of a peer, in a word or two for the operator.
    fn mode(&self) -> &'static str;
}

impl<A: Authenticate + ?Sized> Authenticate for Arc<A> {
    fn authenticate(&self, bearer: Option<&str>) -> Result<Principal, Unauthorized> {
        (**self).authenticate(bearer)
    }

    fn mode(&self) -> &'static str {
        (**self).mode()
    }
}

/// Who a peer is. A session belongs to one, and nobody else can resume it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(Arc<str>);

impl Principal {
    /// The principal of this name. The name may be logged.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a peer is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthorized {
    /// It gave no bearer token.
    Missing,
    /// It gave one that is not accepted.
    Wrong,
}

/// Lets everybody in, as `anonymous`. For listeners that only trusted peers can reach.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAuthentication;

impl Authenticate for NoAuthentication {
    fn authenticate(&self, _: Option<&str>) -> Result<Principal, Unauthorized> {
        Ok(Principal::new("anonymous"))
    }

    fn mode(&self) -> &'static str {
        "none"
    }
}

/// Lets in who presents one token, of which only the SHA-256 digest is kept. Digests are compared in constant time.
#[derive(Clone)]
pub struct TokenDigest {
    digest: [u8; 32],
    principal: Principal,
}

impl TokenDigest {
    /// Accepts `token`.
    pub fn of(token: &str) -> Self {
        Self::from_digest(sha256(token))
    }

    /// Accepts the token with this SHA-256 digest.
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self { digest, principal: Principal::new("token") }
    }

    /// Names who presents the token; otherwise `token`.
    #[must_use]
    pub fn with_principal(mut self, principal: Principal) -> Self {
        self.principal = principal;
        self
    }
}

impl Authenticate for TokenDigest {
    fn authenticate(&self, bearer: Option<&str>) -> Result<Principal, Unauthorized> {
        let presented = sha256(bearer.ok_or(Unauthorized::Missing)?);
        if bool::from(presented.ct_eq(&self.digest)) {
            Ok(self.principal.clone())
        } else {
            Err(Unauthorized::Wrong)
        }
    }

    fn mode(&self) -> &'static str {
        "token"
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenDigest").field("principal", &self.principal).finish_non_exhaustive()
    }
}

fn sha256(token: &str) -> [u8; 32] {
    let digest = digest(&SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that only the exact token is accepted, and that a missing one is told from a wrong one.
    #[test]
    fn only_the_exact_token_is_accepted() {
        let tokens = TokenDigest::of("canary-token").with_principal(Principal::new("ci"));
        assert_eq!(tokens.authenticate(Some("canary-token")), Ok(Principal::new("ci")));
        assert_eq!(tokens.authenticate(None), Err(Unauthorized::Missing));
        for wrong in ["canary-toke", "canary-token2", "Canary-token", "", " canary-token"] {
            assert_eq!(tokens.authenticate(Some(wrong)), Err(Unauthorized::Wrong), "{wrong}");
        }
    }

    /// Proves that a digest made elsewhere accepts its token (the digest is that of FIPS 180-4's example `abc`).
    #[test]
    fn a_digest_made_elsewhere_accepts_its_token() {
        let mut digest = [0; 32];
        for (byte, hex) in digest
            .iter_mut()
            .zip(b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".chunks(2))
        {
            *byte = u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap();
        }
        assert!(TokenDigest::from_digest(digest).authenticate(Some("abc")).is_ok());
    }

    /// Proves that neither the token nor its digest can reach a log through `Debug`.
    #[test]
    fn debug_shows_neither_token_nor_digest() {
        assert_eq!(
            format!("{:?}", TokenDigest::of("abc")),
            "TokenDigest { principal: Principal(\"token\"), .. }"
        );
    }
}
