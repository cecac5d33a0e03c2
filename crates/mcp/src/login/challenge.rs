use afield_exchange::Head;

/// What a server says in a `Bearer` challenge (RFC 9110, section 11.6.1; RFC 6750, section 3; RFC 9728, section 5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Where the server's metadata is.
    pub resource_metadata: Option<String>,
    /// The scopes that the request needs.
    pub scope: Option<String>,
    /// Why the token was refused, such as `invalid_token` or `insufficient_scope`.
    pub error: Option<String>,
    /// What the server says of it.
    pub error_description: Option<String>,
}

impl Challenge {
    /// The `Bearer` challenge in a `WWW-Authenticate` value, among others or alone.
    pub fn parse(value: &str) -> Option<Self> {
        let mut found: Option<Self> = None;
        let mut ours = false;
        let mut rest = value;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                return found;
            }
            let (name, after) = token(rest);
            if name.is_empty() {
                // No challenge goes on like this: what was understood so far counts.
                return found;
            }
            match after.trim_start_matches([' ', '\t']).strip_prefix('=') {
                Some(value) if !value.starts_with('=') => {
                    let (value, after) = parameter(value.trim_start_matches([' ', '\t']));
                    if let (true, Some(challenge)) = (ours, &mut found) {
                        challenge.set(name, value);
                    }
                    rest = after;
                }
                _ => {
                    ours = name.eq_ignore_ascii_case("bearer") && found.is_none();
                    if ours {
                        found = Some(Self::default());
                    }
                    rest = after.trim_start_matches('=');
                }
            }
        }
    }

    /// The first `Bearer` challenge of an answer.
    pub fn of(head: &Head) -> Option<Self> {
        let fields = head.headers.iter().filter(|header| header.is("www-authenticate"));
        fields.filter_map(|header| header.text()).find_map(Self::parse)
    }

    /// Whether the token is good, and only lacks a scope.
    pub fn is_insufficient_scope(&self) -> bool {
        self.error.as_deref() == Some("insufficient_scope")
    }

    /// The scopes that the request needs, one by one.
    pub fn scopes(&self) -> Vec<String> {
        self.scope.iter().flat_map(|scope| scope.split_ascii_whitespace()).map(str::to_owned).collect()
    }

    fn set(&mut self, name: &str, value: String) {
        let field = match name.to_ascii_lowercase().as_str() {
            "resource_metadata" => &mut self.resource_metadata,
            "scope" => &mut self.scope,
            "error" => &mut self.error,
            "error_description" => &mut self.error_description,
            _ => return,
        };
        field.get_or_insert(value);
    }
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c)));
    text.split_at(end.unwrap_or(text.len()))
}

/// A token or quoted string, and what follows it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(metadata: &str, scope: &str, error: &str) -> Option<Challenge> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Some(Challenge {
            resource_metadata: some(metadata),
            scope: some(scope),
            error: some(error),
            error_description: None,
        })
    }

    /// Proves that the Bearer challenge is found, among others too, and that what is said under another scheme is not
    /// taken for it.
    #[test]
    fn the_bearer_challenge_is_found_among_others() {
        for (value, expected) in [
            ("Bearer", challenge("", "", "")),
            ("bearer resource_metadata=\"https://a/b?c=d,e\"", challenge("https://a/b?c=d,e", "", "")),
            (
                "Bearer scope=\"a b\", error=\"insufficient_scope\"",
                challenge("", "a b", "insufficient_scope"),
            ),
            ("Bearer realm=\"a \\\"b\\\", scope=x\",scope=y", challenge("", "y", "")),
            ("Basic realm=\"scope=q\", Bearer scope=z, Digest scope=w", challenge("", "z", "")),
            ("Negotiate YWJj==, Bearer error = invalid_token", challenge("", "", "invalid_token")),
            ("Bearer scope=\"never closed", challenge("", "never closed", "")),
            ("Basic realm=x", None),
            ("", None),
            ("\"", None),
            (", ,", None),
        ] {
            assert_eq!(Challenge::parse(value), expected, "{value}");
        }
    }
}
