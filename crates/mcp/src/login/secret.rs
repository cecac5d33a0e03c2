use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A text that nothing prints: a token, a client secret, a code, a key.
///
/// `Debug` and `Display` never show it. Serialised it is the text itself: only what goes into the
/// [`TokenStore`](super::TokenStore) is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Secret(Arc<str>);

impl Secret {
    /// This text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// The text. Whoever takes it out answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.expose().to_owned()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
