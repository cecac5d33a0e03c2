use crate::{Place, Problem};
use std::ops::Deref;

/// A value of the file, and where it stands there: for whoever finds out later that it makes no sense.
///
/// Two are equal if their values are, wherever they stand.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
    /// The path of its key.
    pub key: String,
}

impl<T> Located<T> {
    /// Says what is wrong with it, and what to do.
    pub fn problem(&self, what: impl Into<String>, fix: impl Into<String>) -> Problem {
        Problem::new(self.place.clone(), self.key.clone(), what, fix)
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Located<T> {}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
