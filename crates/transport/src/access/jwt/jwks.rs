use super::{decode, keys::Key};
use serde::Deserialize;

/// A JWK set (RFC 7517, section 5). Keys for other uses and of other kinds are none of ours.
#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

pub(super) const NO_KEY: &str = "no key in it is for signatures by EdDSA (Ed25519) or RS256";

/// The keys in it that can check tokens; none if it holds no key at all. Those for something else are left out, and secret keys (`oct`) too: a set is a
/// public thing.
pub(super) fn parse(json: &[u8]) -> Result<Vec<Key>, String> {
    let set: Set = serde_json::from_slice(json)
        .map_err(|error| format!("it is no JWK set: {}, line {}", kind(&error), error.line()))?;
    if set.keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut keys = Vec::new();
    for (at, jwk) in set.keys.into_iter().enumerate() {
        if jwk.usage.as_deref().is_none_or(|usage| usage == "sig") {
            keys.extend(jwk.key().map_err(|why| format!("key {} {why}", at + 1))?);
        }
    }
    match keys.is_empty() {
        true => Err(NO_KEY.to_owned()),
        false => Ok(keys),
    }
}

/// serde's own text could quote what is in the file.
fn kind(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "a member is missing or of the wrong type",
        _ => "not JSON",
    }
}

impl Jwk {
    fn key(self) -> Result<Option<Key>, &'static str> {
        let is_for = |algorithm: &str| self.alg.as_deref().is_none_or(|alg| alg == algorithm);
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) if is_for("EdDSA") || is_for("Ed25519") => {
                let x = bytes(self.x)?.try_into().map_err(|_| "has an x that is not of 32 bytes")?;
                Ok(Some(Key::ed25519(self.kid, x)))
            }
            ("RSA", _) if is_for("RS256") => {
                let (n, e) = (bytes(self.n)?, bytes(self.e)?);
                let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
                if !(2048..=8192).contains(&bits) {
                    return Err("is an RSA key that does not have 2048 to 8192 bits");
                }
                Ok(Some(Key::rsa(self.kid, n, e)))
            }
            _ => Ok(None),
        }
    }
}

fn bytes(member: Option<String>) -> Result<Vec<u8>, &'static str> {
    member.and_then(|text| decode(&text).ok()).ok_or("lacks a member, or has one that is not base64url")
}
