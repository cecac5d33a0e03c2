//! One item in the system's keyring: the key that seals the tokens.

use super::KeyUnavailable;
use crate::login::random;
use base64::{Engine, engine::general_purpose::STANDARD};

/// The key; with `make`, one is made where there is none.
pub(super) fn key(make: bool) -> Result<Option<[u8; 32]>, KeyUnavailable> {
    let found = item::get()?.map(|text| {
        let bytes = STANDARD.decode(text).ok();
        let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        key.ok_or_else(|| KeyUnavailable::Failed("its item `afield` is not a key of afield's".into()))
    });
    if let (None, true) = (&found, make) {
        item::set(&STANDARD.encode(random::bytes()))?;
        return key(false);
    }
    found.transpose()
}

#[cfg(target_os = "linux")]
mod item {
    use super::KeyUnavailable;
    use dbus_secret_service::{Collection, EncryptionType, Error, SecretService};
    use std::{collections::HashMap, path::Path};

    /// How long a person may take to unlock it, in seconds.
    const PROMPT: u64 = 60;

    fn attributes() -> HashMap<&'static str, &'static str> {
        HashMap::from([("application", "afield"), ("purpose", "token-sealing-key")])
    }

    /// The session bus is on this machine and this user's, so nobody reads along: no encryption on the way.
    fn connect() -> Result<SecretService, KeyUnavailable> {
        let bus = std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|address| !address.is_empty());
        let run = std::env::var_os("XDG_RUNTIME_DIR");
        if !bus && !run.is_some_and(|run| Path::new(&run).join("bus").exists()) {
            // Else the library would start a bus, which nobody else is on.
            return Err(KeyUnavailable::NoKeyring);
        }
        SecretService::connect_with_max_prompt_timeout(EncryptionType::Plain, PROMPT).map_err(|error| {
            match error {
                Error::Unavailable | Error::Dbus(_) => KeyUnavailable::NoKeyring,
                error => failed(error),
            }
        })
    }

    fn collection(service: &SecretService) -> Result<Collection<'_>, KeyUnavailable> {
        let collection = service.get_default_collection().map_err(|error| match error {
            Error::NoResult => KeyUnavailable::NoKeyring,
            error => failed(error),
        })?;
        if collection.is_locked().map_err(failed)? {
            collection.unlock().map_err(failed)?;
        }
        Ok(collection)
    }

    pub(super) fn get() -> Result<Option<String>, KeyUnavailable> {
        let service = connect()?;
        let collection = collection(&service)?;
        let items = collection.search_items(attributes()).map_err(failed)?;
        let Some(item) = items.first() else { return Ok(None) };
        let secret = item.get_secret().map_err(failed)?;
        Ok(Some(String::from_utf8_lossy(&secret).into_owned()))
    }

    pub(super) fn set(text: &str) -> Result<(), KeyUnavailable> {
        let service = connect()?;
        let collection = collection(&service)?;
        let item = collection.create_item(
            "afield: the key that seals stored tokens",
            attributes(),
            text.as_bytes(),
            true,
            "text/plain",
        );
        item.map(drop).map_err(failed)
    }

    fn failed(error: Error) -> KeyUnavailable {
        KeyUnavailable::Failed(match error {
            Error::Locked | Error::Prompt => "it is locked, and was not unlocked".into(),
            error => error.to_string(),
        })
    }
}

#[cfg(target_os = "macos")]
mod item {
    use super::KeyUnavailable;
    use security_framework::{
        base::Error,
        passwords::{get_generic_password, set_generic_password},
    };

    const SERVICE: &str = "afield";
    const ACCOUNT: &str = "token-sealing-key";
    /// `errSecItemNotFound`.
    const NOT_FOUND: i32 = -25300;

    pub(super) fn get() -> Result<Option<String>, KeyUnavailable> {
        match get_generic_password(SERVICE, ACCOUNT) {
            Ok(secret) => Ok(Some(String::from_utf8_lossy(&secret).into_owned())),
            Err(error) if error.code() == NOT_FOUND => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) fn set(text: &str) -> Result<(), KeyUnavailable> {
        set_generic_password(SERVICE, ACCOUNT, text.as_bytes()).map_err(failed)
    }

    fn failed(error: Error) -> KeyUnavailable {
        KeyUnavailable::Failed(error.to_string())
    }
}
