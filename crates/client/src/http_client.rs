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
    /// Cancel safe in the only sense there is: dropping the future, or later the body, cancels the exchange. One that was
    /// dropped may have been executed.
    ///
    /// # Errors
    ///
    /// Whatever keeps the head from coming; see [`Kind`](afield_exchange::Kind). What happens to the body afterwards is
    /// the body's to say.
    fn stream(&self, request: Request) -> Exchange<'_, Response>;

    /// Performs the exchange and reads the body whole. Whoever performs it limits the body, by default to 47 MiB
    /// ([`Limits::buffered_body_bytes`](afield_exchange::Limits::buffered_body_bytes)).
    ///
    /// Cancelled like [`stream`](Self::stream).
    ///
    /// # Errors
    ///
    /// As [`stream`](Self::stream), and whatever keeps the body from being whole: a cut, a deadline, its size.
    fn call(&self, request: Request) -> Exchange<'_, Buffered>;
}
