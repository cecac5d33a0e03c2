use afield_exchange::redacted_url;
use std::fmt;

/// A URL that has been checked. `Display` and `Debug` show it without userinfo, query and fragment, which may hold
/// secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(url::Url);

impl Url {
    /// The URL that `text` is, if it has one of these schemes, a host and no fragment.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let url = url::Url::parse(text.trim()).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => {
                format!("this is not a URL: it should start with {}", list(schemes))
            }
            error => format!("this is not a URL: {error}"),
        })?;
        if !schemes.contains(&url.scheme()) {
            return Err(format!("a URL that starts with {} is wanted", list(schemes)));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("the URL names no host".into());
        }
        if url.fragment().is_some() {
            return Err("the URL has a fragment (`#…`), which is never sent".into());
        }
        Ok(Self(url))
    }

    /// All of it, secrets too.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// In lower case, without the colon.
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// The host, as the parser understood it.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The port, that of the scheme where none is written.
    pub fn port(&self) -> u16 {
        let of_scheme = if matches!(self.scheme(), "https" | "wss") { 443 } else { 80 };
        self.0.port().unwrap_or(of_scheme)
    }

    /// Whether a name or a password stands before the host.
    pub fn has_userinfo(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }
}

fn list(schemes: &[&str]) -> String {
    schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(" or ")
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted_url(self.0.as_str()))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
