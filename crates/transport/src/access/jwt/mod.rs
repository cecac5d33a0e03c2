//! Signed bearer tokens: JSON Web Tokens (RFC 7519) in the compact form of JWS (RFC 7515), checked as RFC 8725 advises.
//!
//! The algorithm is decided by the key and never by the token: a token is tried only with keys whose algorithm is the one
//! it names, so that `none`, and an HMAC made with a public key, have no key to be tried with.

mod claims;
mod jwks;
mod keys;
mod mint;

pub use mint::mint_jwt;

use super::{
    Authenticate, Authorization, Credentials, FileError, Grant, Principal, PrincipalKind, Unauthorized,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claims::Claims;
use keys::Key;
use serde::{Deserialize, de::IgnoredAny};
use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::watch;

/// What a token must say, besides `exp` and `sub`, which it must always hold.
#[derive(Clone, Debug)]
pub struct JwtRules {
    /// `iss`: who issued it.
    pub issuer: String,
    /// `aud`: for whom; one of them if it names several.
    pub audience: String,
    /// By how much the issuer's clock may differ: a token is accepted, and its session lives, this long beyond `exp`.
    /// Default 60 s.
    pub skew: Duration,
}

impl JwtRules {
    /// These, and 60 s of skew.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), audience: audience.into(), skew: Duration::from_secs(60) }
    }
}

/// Where the keys are. All may be read again.
#[derive(Clone, Debug, Default)]
pub struct JwtKeys {
    /// Files that each hold a secret of 32 bytes or more for HS256. A line's end at its end is not part of it.
    pub secrets: Vec<PathBuf>,
    /// PEM files of public keys (`-----BEGIN PUBLIC KEY-----`): Ed25519 for EdDSA, RSA of 2048 to 8192 bits for RS256.
    pub public_keys: Vec<PathBuf>,
    /// JWK sets (RFC 7517), of which the keys for EdDSA and RS256 are used.
    pub sets: Vec<PathBuf>,
}

impl JwtKeys {
    fn files(&self) -> Vec<PathBuf> {
        [&self.secrets, &self.public_keys, &self.sets].into_iter().flatten().cloned().collect()
    }
}

/// Lets in who presents a token signed with one of the operator's keys. `sub` says who it is. A session ends when its
/// token expires, or the key is taken out of the files.
pub struct Jwt {
    rules: JwtRules,
    files: JwtKeys,
    keys: Arc<RwLock<Arc<[Key]>>>,
    changed: watch::Sender<()>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl Jwt {
    /// Accepts tokens by these rules and keys.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, holds something else, or a key that is too weak.
    pub fn new(rules: JwtRules, files: JwtKeys) -> Result<Self, FileError> {
        let keys = Arc::new(RwLock::new(keys::load(&files, false)?));
        Ok(Self { rules, files, keys, changed: watch::Sender::new(()) })
    }

    /// The files, for whoever watches them.
    pub fn files(&self) -> Vec<PathBuf> {
        self.files.files()
    }

    /// Reads the files again. One that is gone or empty holds no key any more. On an error everything stays as it was.
    /// Blocks, for 100 ms longer where a file is gone or empty.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, holds something else, or a key that is too weak.
    pub fn reload(&self) -> Result<(), FileError> {
        let keys = keys::load(&self.files, true)?;
        if keys.is_empty() {
            tracing::warn!("the files of keys are gone or empty: no JSON Web Token is accepted any more");
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        self.changed.send_replace(());
        Ok(())
    }

    fn keys(&self) -> Arc<[Key]> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Authenticate for Jwt {
    fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Grant, Unauthorized> {
        let token = credentials.bearer.ok_or(Unauthorized::Missing)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(Unauthorized::Wrong)?;
        let (header, payload) = signed.split_once('.').ok_or(Unauthorized::Wrong)?;
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Unauthorized::Wrong)?;
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        if header.crit.is_some() {
            return Err(Unauthorized::Rejected("jwt_critical_extension"));
        }
        let changed = self.changed.subscribe();
        let keys = self.keys();
        let mut fitting = keys
            .iter()
            .filter(|key| key.algorithm() == header.alg)
            .filter(|key| match (&header.kid, key.id()) {
                (Some(wanted), Some(id)) => wanted == id,
                _ => true,
            })
            .peekable();
        if fitting.peek().is_none() {
            return Err(Unauthorized::Rejected("jwt_no_key_for_it"));
        }
        let key = fitting
            .find(|key| key.verifies(signed.as_bytes(), &signature))
            .ok_or(Unauthorized::Rejected("jwt_signature"))?;
        let claims: Claims =
            serde_json::from_slice(&payload).map_err(|_| Unauthorized::Rejected("jwt_claims"))?;
        let until = claims.check(&self.rules)?;
        let principal =
            Principal::parse(PrincipalKind::Jwt, &claims.sub).ok_or(Unauthorized::Rejected("jwt_subject"))?;
        let (key, keys) = (key.thumbprint(), self.keys.clone());
        let holds = move || {
            let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.iter().any(|other| other.thumbprint() == key)
        };
        let authorization = Authorization::permanent().until(until).as_long_as(changed, holds);
        Ok(Grant { principal, authorization })
    }

    fn mode(&self) -> String {
        "JWT".to_owned()
    }

    fn kinds(&self) -> Vec<PrincipalKind> {
        vec![PrincipalKind::Jwt]
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Unauthorized> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Unauthorized::Wrong)
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("rules", &self.rules).field("files", &self.files).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
