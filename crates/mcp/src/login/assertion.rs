//! A client that signs instead of sending a secret: `private_key_jwt` (RFC 7523, section 2.2).

use super::{LoginError, Secret, random};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::json;
use std::fmt;

/// What an assertion is of.
pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds that an assertion is good for.
const LIFETIME: u64 = 120;

/// A private key that signs for a client: RSA (`RS256`), P-256 (`ES256`), P-384 (`ES384`) or Ed25519 (`EdDSA`).
pub struct SigningKey {
    key: Key,
    id: Option<String>,
}

enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// A key in PEM, as PKCS #8 (`BEGIN PRIVATE KEY`) or, for RSA, PKCS #1 (`BEGIN RSA PRIVATE KEY`).
    ///
    /// # Errors
    ///
    /// Another format, or another kind of key.
    pub fn from_pem(pem: &Secret) -> Result<Self, LoginError> {
        let unusable = |why: &str| LoginError::Key(why.to_owned());
        let der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes())
            .map_err(|_| unusable("it is no private key in PEM"))?;
        let random = SystemRandom::new();
        let key = match &der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok().map(Key::Rsa),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                let p256 = || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random);
                let p384 = || EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der, &random);
                let rsa = RsaKeyPair::from_pkcs8(der).ok().map(Key::Rsa);
                rsa.or_else(|| p256().ok().map(Key::P256))
                    .or_else(|| p384().ok().map(Key::P384))
                    .or_else(|| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Key::Ed25519))
            }
            _ => return Err(unusable("write it as PKCS #8 (`openssl pkcs8 -topk8 -nocrypt`)")),
        };
        let kinds = "it is none of RSA (2048 to 4096 bits), P-256, P-384 and Ed25519";
        Ok(Self { key: key.ok_or_else(|| unusable(kinds))?, id: None })
    }

    /// Names the key (`kid`), for authorization servers that know several of the client's.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The algorithm it signs by (RFC 7518, section 3.1; RFC 8037).
    pub fn algorithm(&self) -> &'static str {
        match self.key {
            Key::Rsa(_) => "RS256",
            Key::P256(_) => "ES256",
            Key::P384(_) => "ES384",
            Key::Ed25519(_) => "EdDSA",
        }
    }

    /// What tells `audience` that this is `client`, at `now` (seconds since 1970).
    pub(crate) fn assertion(&self, client: &str, audience: &str, now: u64) -> Result<Secret, LoginError> {
        let mut head = json!({ "alg": self.algorithm(), "typ": "JWT" });
        if let Some(id) = &self.id {
            head["kid"] = id.as_str().into();
        }
        let claims = json!({
            "iss": client,
            "sub": client,
            "aud": audience,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": random::text(),
        });
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(head), encode(claims));
        let signature = self.sign(signed.as_bytes())?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, LoginError> {
        let random = SystemRandom::new();
        let failed = |_| LoginError::Key("signing failed".to_owned());
        match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Key::P256(key) | Key::P384(key) => {
                key.sign(&random, text).map(|signature| signature.as_ref().to_vec()).map_err(failed)
            }
            Key::Ed25519(key) => Ok(key.sign(text).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{self, KeyPair, UnparsedPublicKey};

    fn pem(der: &[u8]) -> Secret {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        Secret::new(format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"))
    }

    /// Proves that an assertion is signed by the key it came from, and says who the client is, to whom, and until when.
    #[test]
    fn an_assertion_holds_what_it_must_and_is_signed() {
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let ec_public =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap();
        let ed_public = Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap();
        let ec_verify: &dyn signature::VerificationAlgorithm = &signature::ECDSA_P256_SHA256_FIXED;
        for (der, name, verify, public) in [
            (ec.as_ref(), "ES256", ec_verify, ec_public.public_key().as_ref().to_vec()),
            (ed.as_ref(), "EdDSA", &signature::ED25519, ed_public.public_key().as_ref().to_vec()),
        ] {
            let key = SigningKey::from_pem(&pem(der)).unwrap().with_id("k1");
            assert_eq!(key.algorithm(), name);
            let assertion = key.assertion("me", "https://auth", 1000).unwrap();
            let (signed, signature) = assertion.expose().rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            UnparsedPublicKey::new(verify, public).verify(signed.as_bytes(), &signature).unwrap();
            let parts = signed.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
            let parts: Vec<serde_json::Value> =
                parts.map(|part| serde_json::from_slice(&part).unwrap()).collect();
            assert_eq!((&parts[0]["alg"], &parts[0]["kid"]), (&name.into(), &"k1".into()));
            assert_eq!((&parts[1]["iss"], &parts[1]["sub"]), (&"me".into(), &"me".into()));
            assert_eq!((&parts[1]["aud"], &parts[1]["exp"]), (&"https://auth".into(), &1120.into()));
        }
    }

    /// Proves that what is no usable key is refused without showing it.
    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        for text in ["canary", "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n"] {
            let error = SigningKey::from_pem(&Secret::new(text)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }
}
