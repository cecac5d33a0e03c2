use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};

/// 32 random bytes.
pub(crate) fn bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).expect("the system has random bytes");
    bytes
}

/// A text of 43 characters that nobody guesses: a `state`, a PKCE verifier, the id of an assertion.
pub(crate) fn text() -> String {
    URL_SAFE_NO_PAD.encode(bytes())
}

/// The challenge to a PKCE verifier by the method S256 (RFC 7636, section 4.2).
pub(crate) fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the challenge is the one of RFC 7636, appendix B, and that no two texts are alike.
    #[test]
    fn challenges_are_those_of_the_rfc() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(s256(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_ne!(text(), text());
        assert_eq!(text().len(), 43);
    }
}
