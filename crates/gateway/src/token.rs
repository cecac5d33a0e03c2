use ring::digest::{SHA256, digest};
use std::fmt;
use subtle::ConstantTimeEq;

/// The token that callers must present, of which only the SHA-256 digest is kept. Digests are compared in constant time.
#[derive(Clone)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Accepts `token`.
    pub fn of(token: &str) -> Self {
        let digest = digest(&SHA256, token.as_bytes());
        Self(digest.as_ref().try_into().expect("a SHA-256 digest has 32 bytes"))
    }

    pub(crate) fn accepts(&self, presented: &str) -> bool {
        Self::of(presented).0.ct_eq(&self.0).into()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}
