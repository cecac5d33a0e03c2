use afield_exchange::{Buffered, Error, Request, Response};
use std::{future::Future, pin::Pin};

/// The future of an exchange. Dropping it cancels the exchange, through to the origin's socket.
pub type Exchange<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Something that performs HTTP exchanges, here or over there.
///
/// Implementations cannot be told apart by their callers: the same request has the same outcome, and the same error,
/// whether it leaves from this process (`Local`) or from an executor (`Remote`).
pub trait HttpClient: Send + Sync {
    /// Performs the exchange and answers with its head; the body follows as it arrives.
    ///
    /// Cancel safe: dropping the future or the body cancels the exchange.
    fn stream(&self, request: Request) -> Exchange<'_, Response>;

    /// Performs the exchange and reads the body whole, under the limit `bufferedBodyBytes`.
    ///
    /// Cancel safe: dropping the future cancels the exchange.
    fn call(&self, request: Request) -> Exchange<'_, Buffered>;
}
