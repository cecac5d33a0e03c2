//! Small files of the operator's that are read again when they change.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// How often a file is looked at, unless the configuration says otherwise.
pub(crate) const CHECK_EVERY: Duration = Duration::from_secs(1);

/// What tells one content of a file from another without reading it. A file that is replaced, as volumes of secrets
/// do it, is another file with another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    number: u64,
}

impl Stamp {
    /// The stamp of the file at `path`, which must be a regular one: reading anything else could block.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Self::from(&std::fs::metadata(path)?)
    }

    fn from(metadata: &Metadata) -> io::Result<Self> {
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let number = 0;
        Ok(Self { modified: metadata.modified().ok(), length: metadata.len(), number })
    }
}

/// Appends the content of a regular file of at most `limit` bytes to `into`, with room made for it beforehand, so that
/// no copy is left behind.
pub(crate) fn read(path: &Path, limit: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let length = Stamp::of(path)?.length;
    let mut file = File::open(path)?.take(limit as u64 + 1);
    into.reserve_exact(usize::try_from(length).unwrap_or(limit).min(limit) + 1);
    file.read_to_end(into)?;
    if into.len() > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(())
}

/// Whether it is time to look at a file again that was looked at `checked`.
pub(crate) fn is_due(checked: Instant, every: Duration) -> bool {
    checked.elapsed() >= every
}
