use afield_exchange::{Error, Head};
use std::{fmt, future::Future, pin::Pin, sync::Arc};

/// A bearer token. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// This token, without `Bearer `.
    pub fn new(token: impl Into<Arc<str>>) -> Self {
        Self(token.into())
    }

    /// The token.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The future of an [`Authorize`]. To be cancelled by dropping it: the caller has left.
pub type Authorizing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where a route's token comes from, for a server whose login is not the caller's.
///
/// It is asked for every request that brings no `Authorization` of its own, by many at once.
pub trait Authorize: Send + Sync {
    /// The token to send to this URL; `None`: none is needed, or there is none and the origin's challenge is to reach the
    /// caller.
    ///
    /// # Errors
    ///
    /// Why the request cannot be sent; its text is the caller's answer, and says what to do.
    fn bearer<'a>(&'a self, url: &'a str) -> Authorizing<'a, Result<Option<Secret>, Error>>;

    /// The origin has answered 401 or 403 to a request that had this token, or none: the token to send the request once
    /// more with, if its body can be. `None`: the answer is the caller's.
    ///
    /// # Errors
    ///
    /// As [`bearer`](Self::bearer).
    fn refused<'a>(
        &'a self,
        url: &'a str,
        sent: Option<&'a Secret>,
        answer: &'a Head,
    ) -> Authorizing<'a, Result<Option<Secret>, Error>>;
}

#[cfg(test)]
mod tests {
    use super::Secret;

    /// Proves that a token cannot reach a log through `Debug`.
    #[test]
    fn debug_never_shows_a_token() {
        assert_eq!(format!("{:?}", Secret::new("canary")), "Secret(…)");
    }
}
