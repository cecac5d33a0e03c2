use super::keys::Key;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use std::time::{Duration, SystemTime};

/// Makes an HS256 token: for tests, and for operators who issue tokens themselves.
///
/// # Errors
///
/// A sentence, if the secret has fewer than 32 bytes.
pub fn mint_jwt(
    secret: &[u8],
    issuer: &str,
    audience: &str,
    subject: &str,
    lifetime: Duration,
) -> Result<String, String> {
    Key::secret(secret)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = serde_json::json!({
        "iss": issuer, "aud": audience, "sub": subject, "iat": now, "exp": now.saturating_add(lifetime.as_secs()),
    });
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
