use std::{path::PathBuf, time::Duration};

/// Why tokens cannot be read or stored.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no place for them.
    #[error("no folder for tokens: set $HOME, or $AFIELD_TOKENS to a folder of yours")]
    NoFolder,
    /// A file or folder cannot be used.
    #[error("{doing} {}: {why}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        why: String,
    },
    /// Others could read or change the tokens.
    #[error("{} {why}; nothing is read from it before that is mended: `{mend}`", .path.display())]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
        /// What mends it.
        mend: String,
    },
    /// A file holds something else than tokens of this server.
    #[error("{}: {why}; remove it and log in again", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The keyring that the tokens need cannot be used.
    #[error("the tokens are sealed with a key that the system's keyring keeps, and {0}")]
    Keyring(String),
    /// Another process holds on to the tokens.
    #[error("another process has been renewing this server's token for {} s: see whether one hangs", .0.as_secs())]
    Locked(Duration),
    /// The program is ending.
    #[error("the program is ending")]
    Ending,
}
