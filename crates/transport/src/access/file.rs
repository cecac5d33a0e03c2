use std::{fs::File, io::Read, path::Path};

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

/// The file's bytes, of which there may be 1 MiB.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(FileError::new(path, error.to_string())),
        Ok(_) if bytes.len() as u64 > LARGEST => {
            Err(FileError::new(path, format!("it is larger than {LARGEST} bytes")))
        }
        Ok(_) => Ok(bytes),
    }
}

/// The file's text.
pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    String::from_utf8(read(path)?).map_err(|_| FileError::new(path, "it is not UTF-8 text"))
}
