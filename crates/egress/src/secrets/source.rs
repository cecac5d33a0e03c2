use super::value::SecretBytes;
use crate::watched::{self, Stamp};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Where the value of a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// This environment variable of the process.
    Environment(String),
    /// This file: regular, at most 64 KiB. Line ends at its end are not part of the secret. Read again when it changes.
    File(PathBuf),
}

/// The longest secret.
const LONGEST: usize = 64 * 1024;

/// Why a secret has no value. Says nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable {
    /// For the caller: what is wrong, without paths.
    pub(crate) why: &'static str,
    /// For the operator's log.
    pub(crate) log: String,
}

/// A source with the value that was last read from it.
pub(crate) struct Held {
    source: SecretSource,
    read: Mutex<Option<Read>>,
}

struct Read {
    value: Arc<SecretBytes>,
    stamp: Option<Stamp>,
    checked: Instant,
}

impl Held {
    pub(crate) fn new(source: SecretSource) -> Self {
        Self { source, read: Mutex::new(None) }
    }

    pub(crate) fn source(&self) -> &SecretSource {
        &self.source
    }

    /// The value as it is now; a file is looked at again after `every`. Once it is gone or no longer any good, so is the
    /// value.
    pub(crate) fn value(&self, every: Duration) -> Result<Arc<SecretBytes>, Unavailable> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &mut *read {
            let SecretSource::File(path) = &self.source else { return Ok(Arc::clone(&last.value)) };
            if !watched::is_due(last.checked, every) {
                return Ok(Arc::clone(&last.value));
            }
            if Stamp::of(path).ok().is_some_and(|stamp| Some(stamp) == last.stamp) {
                last.checked = Instant::now();
                return Ok(Arc::clone(&last.value));
            }
        }
        *read = None;
        let checked = Instant::now();
        // The stamp is taken first: a change while the file is read shows at the next look.
        let stamp = match &self.source {
            SecretSource::File(path) => Stamp::of(path).ok(),
            SecretSource::Environment(_) => None,
        };
        let value = Arc::new(self.fresh()?);
        *read = Some(Read { value: Arc::clone(&value), stamp, checked });
        Ok(value)
    }

    fn fresh(&self) -> Result<SecretBytes, Unavailable> {
        let unavailable = |why| Unavailable { why, log: format!("{}: {why}", self.source) };
        let mut bytes = Zeroizing::new(Vec::new());
        match &self.source {
            SecretSource::Environment(variable) => {
                let set = std::env::var_os(variable).map(std::ffi::OsString::into_encoded_bytes);
                bytes =
                    Zeroizing::new(set.ok_or_else(|| unavailable("its environment variable is not set"))?);
            }
            SecretSource::File(path) => {
                watched::read(path, LONGEST, &mut bytes).map_err(|error| Unavailable {
                    why: "its file cannot be read",
                    log: format!("{}: {error}", self.source),
                })?;
                while matches!(bytes.last(), Some(b'\n' | b'\r')) {
                    bytes.pop();
                }
            }
        }
        if bytes.trim_ascii().is_empty() {
            return Err(unavailable("it is empty"));
        }
        if bytes.len() > LONGEST {
            return Err(unavailable("it is longer than 65536 bytes"));
        }
        if bytes.iter().any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f) {
            return Err(unavailable("it holds a line break or another control character"));
        }
        Ok(SecretBytes::new(bytes))
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(variable) => write!(f, "environment variable {}", variable.escape_debug()),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}
