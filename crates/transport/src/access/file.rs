use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    thread,
    time::Duration,
};

/// The largest file of credentials that is read.
const LARGEST: u64 = 1024 * 1024;

/// Why a file of credentials cannot be used. Shows nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {path}: {why}")]
pub struct FileError {
    /// Which file.
    pub path: String,
    /// Why, and what to do.
    pub why: String,
}

impl FileError {
    pub(crate) fn new(path: &Path, why: impl Into<String>) -> Self {
        Self { path: path.display().to_string(), why: why.into() }
    }
}

/// A file that seems to have been withdrawn is looked at once more after this: it may be about to be written.
const ONCE_MORE: Duration = Duration::from_millis(100);

/// Returns the file's bytes, of which there may be 1 MiB.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    contents(path).map_err(|error| FileError::new(path, error.to_string()))
}

/// Reads a file again that was read before. `None`: it has been withdrawn, for it is gone, or holds nothing but white space
/// and lines that begin with `#`. What cannot be read is an error, and no withdrawal. Blocks.
pub(crate) fn read_again(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let read = || match contents(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new(path, error.to_string())),
        Ok(bytes) => Ok(Some(bytes).filter(|bytes| !is_blank(bytes))),
    };
    if let Some(bytes) = read()? {
        return Ok(Some(bytes));
    }
    thread::sleep(ONCE_MORE);
    read()
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).all(|line| line.is_empty() || line[0] == b'#')
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LARGEST {
        true => Err(io::Error::other(format!("it is larger than {LARGEST} bytes"))),
        false => Ok(bytes),
    }
}

/// The file's text.
pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    String::from_utf8(read(path)?).map_err(|_| FileError::new(path, "it is not UTF-8 text"))
}
