use super::{JwtKeys, jwks};
use crate::access::{FileError, read, read_again};
use ring::{
    digest::{SHA256, digest},
    hmac,
    signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey},
};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use std::{path::Path, sync::Arc};
use webpki::RawPublicKeyEntity;

/// The fewest bytes of an HS256 secret: as many as the digest has (RFC 7518, section 3.2).
pub(super) const SECRET: usize = 32;

/// A key that checks tokens, and the algorithm it is for.
pub(super) struct Key {
    id: Option<String>,
    kind: Kind,
    thumbprint: [u8; 32],
}

enum Kind {
    Hs256(hmac::Key),
    EdDsa([u8; 32]),
    Rs256 {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// From PEM: the key's own algorithm identifier says which of the two.
    Spki {
        algorithm: &'static str,
        der: SubjectPublicKeyInfoDer<'static>,
    },
}

impl Key {
    pub fn ed25519(id: Option<String>, key: [u8; 32]) -> Self {
        Self { id, thumbprint: thumbprint(&[&key]), kind: Kind::EdDsa(key) }
    }

    pub fn rsa(id: Option<String>, n: Vec<u8>, e: Vec<u8>) -> Self {
        Self { id, thumbprint: thumbprint(&[&n, &e]), kind: Kind::Rs256 { n, e } }
    }

    pub fn secret(secret: &[u8]) -> Result<Self, String> {
        if secret.len() < SECRET {
            return Err(format!(
                "the secret has {} bytes; HS256 needs {SECRET} or more, such as `openssl rand -base64 48` prints",
                secret.len()
            ));
        }
        let kind = Kind::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret));
        Ok(Self { id: None, thumbprint: thumbprint(&[secret]), kind })
    }

    fn pem(pem: &[u8]) -> Result<Self, String> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| {
            "there is no public key in it: `-----BEGIN PUBLIC KEY-----` is expected".to_owned()
        })?;
        let algorithm = match rsa_bits(&der) {
            _ if is_ed25519(&der) => "EdDSA",
            Some(2048..=8192) => "RS256",
            Some(bits) => return Err(format!("the RSA key has {bits} bits; it needs 2048 to 8192")),
            None => return Err("the key is neither Ed25519 nor RSA".to_owned()),
        };
        Ok(Self { id: None, thumbprint: thumbprint(&[&der]), kind: Kind::Spki { algorithm, der } })
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub fn algorithm(&self) -> &'static str {
        match &self.kind {
            Kind::Hs256(_) => "HS256",
            Kind::EdDsa(_) => "EdDSA",
            Kind::Rs256 { .. } => "RS256",
            Kind::Spki { algorithm, .. } => algorithm,
        }
    }

    /// What tells it from other keys.
    pub fn thumbprint(&self) -> [u8; 32] {
        self.thumbprint
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.kind {
            Kind::Hs256(key) => hmac::verify(key, message, signature).is_ok(),
            Kind::EdDsa(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok(),
            Kind::Rs256 { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            Kind::Spki { algorithm, der } => RawPublicKeyEntity::try_from(der).is_ok_and(|key| {
                let algorithm = match *algorithm {
                    "EdDSA" => webpki::ring::ED25519,
                    _ => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
                };
                key.verify_signature(algorithm, message, signature).is_ok()
            }),
        }
    }
}

/// Returns all keys of these files. The algorithm of each is settled by where it is and what it is.
///
/// `again`: they were read before, and one that is gone or empty by now has been withdrawn, with its keys.
pub(super) fn load(files: &JwtKeys, again: bool) -> Result<Arc<[Key]>, FileError> {
    let read = |file: &Path| if again { read_again(file) } else { read(file).map(Some) };
    let mut keys = Vec::new();
    for file in &files.secrets {
        let Some(secret) = read(file)? else { continue };
        let secret = secret.strip_suffix(b"\n").unwrap_or(&secret);
        let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
        keys.push(Key::secret(secret).map_err(|why| FileError::new(file, why))?);
    }
    for file in &files.public_keys {
        let Some(pem) = read(file)? else { continue };
        keys.push(Key::pem(&pem).map_err(|why| FileError::new(file, why))?);
    }
    for file in &files.sets {
        let Some(set) = read(file)? else { continue };
        let found = jwks::parse(&set).map_err(|why| FileError::new(file, why))?;
        if found.is_empty() && !again {
            return Err(FileError::new(file, jwks::NO_KEY));
        }
        keys.extend(found);
    }
    Ok(keys.into())
}

fn thumbprint(parts: &[&[u8]]) -> [u8; 32] {
    let mut whole = Vec::new();
    for part in parts {
        whole.extend_from_slice(&(part.len() as u64).to_be_bytes());
        whole.extend_from_slice(part);
    }
    digest(&SHA256, &whole).as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
}

/// RFC 8410, section 4: the one form there is.
fn is_ed25519(der: &[u8]) -> bool {
    const BEGINNING: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.len() == 44 && der.starts_with(BEGINNING)
}

/// The length of an RSA key's modulus.
fn rsa_bits(der: &[u8]) -> Option<usize> {
    use x509_cert::{
        der::{Decode, asn1::UintRef, oid::db::rfc5912::RSA_ENCRYPTION},
        spki::SubjectPublicKeyInfoRef,
    };
    let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    if info.algorithm.oid != RSA_ENCRYPTION {
        return None;
    }
    let key = <Vec<UintRef<'_>>>::from_der(info.subject_public_key.as_bytes()?).ok()?;
    let modulus = key.first()?.as_bytes();
    Some(modulus.len() * 8 - modulus.first()?.leading_zeros() as usize)
}
