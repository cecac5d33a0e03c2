use super::{JwtRules, Unauthorized};
use serde::Deserialize;
use std::time::{Duration, SystemTime};

/// What a token says of itself (RFC 7519, section 4.1).
#[derive(Deserialize)]
pub(super) struct Claims {
    pub sub: String,
    iss: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Claims {
    /// Checks them; yields until when they hold, skew included.
    pub fn check(&self, rules: &JwtRules) -> Result<SystemTime, Unauthorized> {
        if self.iss != rules.issuer {
            return Err(Unauthorized::Rejected("jwt_issuer"));
        }
        let for_us = match &self.aud {
            Audience::One(audience) => *audience == rules.audience,
            Audience::Several(audiences) => audiences.contains(&rules.audience),
        };
        if !for_us {
            return Err(Unauthorized::Rejected("jwt_audience"));
        }
        let now = SystemTime::now();
        let until = time(self.exp).and_then(|exp| exp.checked_add(rules.skew));
        let until = until.ok_or(Unauthorized::Rejected("jwt_expiry"))?;
        if until <= now {
            return Err(Unauthorized::Expired);
        }
        match self.nbf.map(time) {
            Some(Some(from)) if now.checked_add(rules.skew).is_none_or(|latest| from <= latest) => Ok(until),
            None => Ok(until),
            Some(_) => Err(Unauthorized::Rejected("jwt_not_yet_valid")),
        }
    }
}

/// A `NumericDate`: seconds since 1970, perhaps with a fraction.
fn time(seconds: f64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}
