use crate::Header;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// The trailer fields of a request, which are known only once its body has ended (RFC 9110, section 6.5).
///
/// The producer of the body calls [`set`](Self::set) before its stream ends; whoever sends the request calls
/// [`get`](Self::get) after that. Clones share the fields.
#[derive(Clone, Default)]
pub struct Trailers(Arc<Mutex<Vec<Header>>>);

impl Trailers {
    /// Trailer fields that are still to be set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the fields.
    pub fn set(&self, fields: Vec<Header>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fields;
    }

    /// Returns the fields that were set; none before that.
    pub fn get(&self) -> Vec<Header> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Trailers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trailers").field(&self.get()).finish()
    }
}
