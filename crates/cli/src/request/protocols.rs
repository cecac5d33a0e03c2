use std::str::FromStr;

/// Which of the two schemes are allowed, as `--proto` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protocols {
    http: bool,
    https: bool,
}

impl Protocols {
    /// Both.
    pub const ALL: Self = Self { http: true, https: true };

    /// Whether a URL of this scheme is allowed.
    pub fn allow(self, url: &str) -> bool {
        match url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref() {
            Some("http") => self.http,
            Some("https") => self.https,
            // Refused for what it is.
            _ => true,
        }
    }
}

impl FromStr for Protocols {
    type Err = String;

    /// Words with a comma between them: `+x` or `x` adds, `-x` takes away, `=x` allows nothing else.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut allowed = Self::ALL;
        for word in text.split(',').filter(|word| !word.is_empty()) {
            let (sign, name) = match word.as_bytes()[0] {
                sign @ (b'+' | b'-' | b'=') => (sign, &word[1..]),
                _ => (b'+', word),
            };
            if sign == b'=' {
                allowed = Self { http: false, https: false };
            }
            let on = sign != b'-';
            match name.to_ascii_lowercase().as_str() {
                "http" => allowed.http = on,
                "https" => allowed.https = on,
                "all" => allowed = Self { http: on, https: on },
                // Schemes that are not spoken are allowed, or not, in vain; so are words that are none, in curl.
                _ => {}
            }
        }
        if allowed == (Self { http: false, https: false }) {
            return Err("neither http nor https is left, and nothing else is spoken".into());
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves what the words of `--proto` allow.
    #[test]
    fn protocols_are_allowed_as_by_curl() {
        let allowed = |text: &str| {
            let protocols: Protocols = text.parse().unwrap();
            (protocols.allow("http://h"), protocols.allow("HTTPS://h"))
        };
        assert_eq!(allowed("=https"), (false, true));
        assert_eq!(allowed("-http"), (false, true));
        assert_eq!(allowed("-all,http"), (true, false));
        assert_eq!(allowed("=http,https,ftp"), (true, true));
        assert!("=ftp".parse::<Protocols>().is_err());
    }
}
