//! What stands in a file: tokens, sealed or plain.

use super::StoreError;
use crate::login::{credentials::Credentials, random};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

const VERSION: u32 = 1;

/// The key that seals a user's tokens.
#[derive(Clone)]
pub(super) struct SealingKey(Arc<LessSafeKey>);

impl SealingKey {
    pub(super) fn new(key: [u8; 32]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).expect("a key of this algorithm has 32 bytes");
        Self(Arc::new(LessSafeKey::new(key)))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey")
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    afield_tokens: u32,
    /// In the clear, for who looks into the folder.
    server: String,
    placement: String,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Plain(Box<Credentials>),
    Sealed { nonce: String, data: String },
}

impl Record {
    /// The bytes of a file that holds these credentials.
    pub(super) fn write(credentials: &Credentials, key: Option<&SealingKey>) -> Result<Vec<u8>, StoreError> {
        let content = match key {
            Some(key) => seal(credentials, key),
            None => Content::Plain(Box::new(credentials.clone())),
        };
        let record = Self {
            afield_tokens: VERSION,
            server: afield_exchange::redacted_url(&credentials.server),
            placement: credentials.placement.clone(),
            content,
        };
        Ok(serde_json::to_vec(&record).expect("a record is JSON"))
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let record: Self =
            serde_json::from_slice(bytes).map_err(|_| "it does not hold tokens as afield writes them")?;
        match record.afield_tokens {
            VERSION => Ok(record),
            _ => Err("a later version of afield wrote it"),
        }
    }

    pub(super) fn is_sealed(&self) -> bool {
        matches!(self.content, Content::Sealed { .. })
    }

    pub(super) fn open(self, key: Option<&SealingKey>) -> Result<Credentials, &'static str> {
        let Content::Sealed { nonce, data } = self.content else {
            let Content::Plain(credentials) = self.content else { unreachable!("there are two kinds") };
            return Ok(*credentials);
        };
        let other = "it is sealed with a key that this keyring does not have";
        let key = key.ok_or(other)?;
        let nonce =
            STANDARD.decode(nonce).ok().and_then(|nonce| Nonce::try_assume_unique_for_key(&nonce).ok());
        let (Some(nonce), Ok(mut data)) = (nonce, STANDARD.decode(data)) else { return Err("it is damaged") };
        let plain = key.0.open_in_place(nonce, Aad::empty(), &mut data).map_err(|_| other)?;
        serde_json::from_slice(plain).map_err(|_| "it is damaged")
    }
}

fn seal(credentials: &Credentials, key: &SealingKey) -> Content {
    // Random, not counted: many processes write, and none of them 2^32 times.
    let random = random::bytes();
    let nonce: [u8; NONCE_LEN] = random[..NONCE_LEN].try_into().expect("a nonce is shorter than 32 bytes");
    let mut data = serde_json::to_vec(credentials).expect("credentials are JSON");
    key.0
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut data)
        .expect("what is sealed is short");
    Content::Sealed { nonce: STANDARD.encode(nonce), data: STANDARD.encode(data) }
}
