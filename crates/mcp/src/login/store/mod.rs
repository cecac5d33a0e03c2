//! Where tokens are kept between runs.

mod error;
mod file;
mod keeper;
mod lock;
mod sealed;

#[cfg(all(feature = "keyring", any(target_os = "linux", target_os = "macos")))]
mod keyring;

pub use error::StoreError;
pub use keeper::{KeyKeeper, KeyUnavailable, SystemKeyring};
pub(crate) use lock::Lock;

use super::{Server, credentials::Credentials};
use file::{Draft, Folder};
use sealed::{Record, SealingKey};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// How stored tokens are protected.
#[derive(Clone)]
pub enum Protection {
    /// By the file's permissions alone (0600, in a folder that is 0700).
    File,
    /// By a key in a keyring, where there is one; else by the file's permissions.
    KeyringOrFile(Arc<dyn KeyKeeper>),
    /// By a key in a keyring. Without one, nothing is stored.
    Keyring(Arc<dyn KeyKeeper>),
}

/// The tokens of all servers: one file for each server and placement, in one folder.
///
/// Cheap to clone. Every write is whole or not at all, also if the machine stops: a new file is written, flushed to the
/// disk, and put in the old one's place. A file that others can read or write, or that is a link, is refused.
///
/// With a keyring, what lies in the files is sealed (ChaCha20-Poly1305) with a key that only the keyring has. So a token of
/// any size fits, and is as durable as a file can make it, which keyrings do not promise.
#[derive(Clone)]
pub struct TokenStore(Arc<Inner>);

struct Inner {
    folder: Folder,
    protection: Protection,
    /// The key, once the keyring gave it.
    key: Mutex<Option<SealingKey>>,
}

impl TokenStore {
    /// A store in this folder, which is made (0700) when something is first stored.
    pub fn new(folder: impl Into<PathBuf>, protection: Protection) -> Self {
        Self(Arc::new(Inner { folder: Folder::new(folder.into()), protection, key: Mutex::default() }))
    }

    /// The user's store: sealed by the system's keyring where there is one, in
    ///
    /// - `$AFIELD_TOKENS`, if set;
    /// - `$XDG_STATE_HOME/afield/tokens`, or `~/.local/state/afield/tokens`;
    /// - on macOS `~/Library/Application Support/afield/tokens`, on Windows `%LOCALAPPDATA%\afield\tokens`.
    ///
    /// # Errors
    ///
    /// None of the variables that these are made of is set.
    pub fn of_the_user() -> Result<Self, StoreError> {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = variable("AFIELD_TOKENS").or_else(|| {
            let state = if cfg!(windows) {
                variable("LOCALAPPDATA")
            } else if cfg!(target_os = "macos") {
                variable("HOME").map(|home| home.join("Library/Application Support"))
            } else {
                // A relative one is invalid (XDG Base Directory Specification).
                variable("XDG_STATE_HOME")
                    .filter(|path| path.is_absolute())
                    .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
            };
            state.map(|state| state.join("afield/tokens"))
        });
        let keyring = Protection::KeyringOrFile(Arc::new(SystemKeyring::new()));
        folder.map(|folder| Self::new(folder, keyring)).ok_or(StoreError::NoFolder)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.0.folder.path()
    }

    /// What is stored for this server.
    pub(crate) async fn load(&self, server: &Server) -> Result<Option<Credentials>, StoreError> {
        let (inner, server) = (self.0.clone(), server.clone());
        blocking(move || inner.load(&server)).await
    }

    /// Stores what a server's tokens are now. They are on the disk when this returns.
    pub(crate) async fn save(&self, server: &Server, credentials: &Credentials) -> Result<(), StoreError> {
        self.prepare(server).await?.save(credentials).await
    }

    /// Makes everything ready that can fail before there is anything to store: the folder, a file to write, the key.
    pub(crate) async fn prepare(&self, server: &Server) -> Result<Prepared, StoreError> {
        let (inner, server) = (self.0.clone(), server.clone());
        blocking(move || {
            let draft = inner.folder.draft(&server.file_stem())?;
            inner.sealing_key()?;
            Ok(Prepared { inner, draft })
        })
        .await
    }

    /// Forgets what is stored for this server. Whether there was anything.
    pub(crate) async fn remove(&self, server: &Server) -> Result<bool, StoreError> {
        let (inner, server) = (self.0.clone(), server.clone());
        blocking(move || inner.folder.remove(&server.file_stem())).await
    }

    /// Keeps every other process, and every other holder in this one, from this server's tokens until it is dropped.
    ///
    /// Cancel safe.
    pub(crate) async fn lock(&self, server: &Server) -> Result<Lock, StoreError> {
        let (inner, stem) = (self.0.clone(), server.file_stem());
        let file = blocking(move || inner.folder.lock_file(&stem)).await?;
        Lock::take(file).await
    }
}

impl fmt::Debug for TokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenStore({})", self.folder().display())
    }
}

/// A store that has all it needs for writing one server's tokens.
pub(crate) struct Prepared {
    inner: Arc<Inner>,
    draft: Draft,
}

impl Prepared {
    pub(crate) async fn save(self, credentials: &Credentials) -> Result<(), StoreError> {
        let credentials = credentials.clone();
        blocking(move || {
            let Self { inner, draft } = self;
            let key = inner.sealing_key()?;
            draft.finish(&Record::write(&credentials, key.as_ref())?)
        })
        .await
    }
}

impl Inner {
    fn load(&self, server: &Server) -> Result<Option<Credentials>, StoreError> {
        let stem = server.file_stem();
        let Some(bytes) = self.folder.read(&stem)? else { return Ok(None) };
        let unusable =
            |why: &str| StoreError::Unusable { path: self.folder.file(&stem), why: why.to_owned() };
        let record = Record::parse(&bytes).map_err(unusable)?;
        let key = if record.is_sealed() { self.opening_key()? } else { None };
        let credentials = record.open(key.as_ref()).map_err(unusable)?;
        if !credentials.is_of(server) {
            return Err(unusable("it is another server's"));
        }
        Ok(Some(credentials))
    }

    /// The key that opens what was sealed, if this store has any to do with keys.
    fn opening_key(&self) -> Result<Option<SealingKey>, StoreError> {
        let Some((keeper, _)) = self.keeper() else { return Ok(None) };
        self.key(keeper, false).map_err(|unavailable| StoreError::Keyring(unavailable.to_string()))
    }

    /// The key to seal with, if anything is to be sealed. Made, where there is none yet.
    fn sealing_key(&self) -> Result<Option<SealingKey>, StoreError> {
        let Some((keeper, needed)) = self.keeper() else { return Ok(None) };
        match self.key(keeper, true) {
            Ok(key) => Ok(key),
            Err(KeyUnavailable::NoKeyring) if !needed => Ok(None),
            Err(KeyUnavailable::Failed(why)) if !needed => {
                tracing::warn!(%why, "the keyring cannot be used: tokens go into files that only this user can read");
                Ok(None)
            }
            Err(unavailable) => Err(StoreError::Keyring(unavailable.to_string())),
        }
    }

    /// Who keeps the key, and whether nothing is stored without one.
    fn keeper(&self) -> Option<(&dyn KeyKeeper, bool)> {
        match &self.protection {
            Protection::File => None,
            Protection::KeyringOrFile(keeper) => Some((&**keeper, false)),
            Protection::Keyring(keeper) => Some((&**keeper, true)),
        }
    }

    fn key(&self, keeper: &dyn KeyKeeper, make: bool) -> Result<Option<SealingKey>, KeyUnavailable> {
        let held = || self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*held() {
            return Ok(Some(key.clone()));
        }
        // Two processes that each made a key would each seal with one that the other's replaced.
        let _alone = match make {
            true => Some(self.folder.lock_keys().map_err(|error| KeyUnavailable::Failed(error.to_string()))?),
            false => None,
        };
        let key = keeper.key(make)?.map(SealingKey::new);
        if let Some(key) = &key {
            *held() = Some(key.clone());
        }
        Ok(key)
    }
}

/// Runs what waits for the disk or the keyring where waiting disturbs nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StoreError::Ending),
    }
}
