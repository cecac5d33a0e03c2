use std::fmt;

/// What keeps the key that seals the tokens: the system's keyring, or what stands for it.
///
/// Asked on a thread that may wait, for a person to unlock it.
pub trait KeyKeeper: Send + Sync {
    /// The key; with `make`, a new one is made and kept where there is none yet.
    ///
    /// # Errors
    ///
    /// There is no keyring, or it does not give the key.
    fn key(&self, make: bool) -> Result<Option<[u8; 32]>, KeyUnavailable>;
}

/// Why a keyring gives no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyUnavailable {
    /// There is none here: no desktop session, or a build without it.
    NoKeyring,
    /// It is there and does not give the key: locked, refused, broken.
    Failed(String),
}

impl fmt::Display for KeyUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKeyring => {
                f.write_str("there is no keyring here: use afield where it was logged in, or log in again")
            }
            Self::Failed(why) => write!(f, "it does not give it: {why}"),
        }
    }
}

impl std::error::Error for KeyUnavailable {}

/// The keyring of the system: the Secret Service on Linux (GNOME Keyring, KWallet, KeePassXC), the Keychain on macOS. On
/// other systems, and in builds without the feature `keyring`, there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemKeyring(());

impl SystemKeyring {
    /// The system's.
    pub fn new() -> Self {
        Self(())
    }
}

impl KeyKeeper for SystemKeyring {
    #[cfg(all(feature = "keyring", any(target_os = "linux", target_os = "macos")))]
    fn key(&self, make: bool) -> Result<Option<[u8; 32]>, KeyUnavailable> {
        super::keyring::key(make)
    }

    #[cfg(not(all(feature = "keyring", any(target_os = "linux", target_os = "macos"))))]
    fn key(&self, _make: bool) -> Result<Option<[u8; 32]>, KeyUnavailable> {
        Err(KeyUnavailable::NoKeyring)
    }
}
