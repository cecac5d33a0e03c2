//! What comes back from the authorization server through the browser (RFC 6749, section 4.1.2; RFC 9207).

use super::{LoginError, Secret, wire};
use url::Url;

/// What an answer must say to be the one that was asked for.
#[derive(Clone)]
pub(crate) struct Expected {
    /// Told to the authorization server alone, so that nobody else can answer.
    pub(crate) state: Secret,
    /// Who was asked.
    pub(crate) issuer: String,
    /// Whether the answer must say who gives it.
    pub(crate) issuer_required: bool,
}

/// Parameters of a redirect.
#[derive(Default)]
struct Parameters {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    description: Option<String>,
    issuer: Option<String>,
}

impl Parameters {
    fn of(query: &str) -> Self {
        let mut found = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "code" => &mut found.code,
                "state" => &mut found.state,
                "error" => &mut found.error,
                "error_description" => &mut found.description,
                "iss" => &mut found.issuer,
                _ => continue,
            };
            field.get_or_insert(value.into_owned());
        }
        found
    }
}

impl Expected {
    /// Whether this query has the state that was given out. Any other request is not an answer at all.
    pub(crate) fn is_answer(&self, query: &str) -> bool {
        Parameters::of(query).state.is_some_and(|state| alike(&state, self.state.expose()))
    }

    /// The code in the query of a redirect.
    ///
    /// # Errors
    ///
    /// The authorization server's refusal; an answer to something else, or from somebody else.
    pub(crate) fn code(&self, query: &str) -> Result<Secret, LoginError> {
        let Parameters { code, state, error, description, issuer } = Parameters::of(query);
        if !state.is_some_and(|state| alike(&state, self.state.expose())) {
            let why = "this is no answer to this login: its state is not the one that was given out";
            return Err(LoginError::Callback(why.into()));
        }
        match &issuer {
            // To the letter (RFC 9207, section 2.4): both are the authorization server's own words.
            Some(issuer) if *issuer != self.issuer => {
                let why =
                    format!("the answer is {}'s, and {} was asked", wire::shown(issuer, &[]), self.issuer);
                return Err(LoginError::Callback(why));
            }
            None if self.issuer_required => {
                let why = format!("the answer does not say whose it is, and {}'s answers do", self.issuer);
                return Err(LoginError::Callback(why));
            }
            _ => {}
        }
        if let Some(code) = error {
            let secrets = [self.state.expose()];
            return Err(LoginError::Refused {
                what: "the login",
                code: wire::shown(&code, &secrets),
                description: description.map(|text| wire::shown(&text, &secrets)),
            });
        }
        let code = code.filter(|code| !code.is_empty());
        code.map(Secret::new).ok_or_else(|| LoginError::Callback("the answer has no code".into()))
    }

    /// The code in what a person pasted: the whole URL the browser ended at, or its query.
    pub(crate) fn pasted(&self, text: &str) -> Result<Secret, LoginError> {
        let text = text.trim().trim_matches(['"', '\'', '<', '>']);
        let query = match Url::parse(text) {
            Ok(url) if url.has_host() => url.query().unwrap_or_default().to_owned(),
            _ => text.trim_start_matches('?').to_owned(),
        };
        if !query.contains('=') {
            let why = "that is not the address that the browser ended at: copy all of it, from `http://127.0.0.1` on \
                       (or `code=…&state=…`)";
            return Err(LoginError::Callback(why.into()));
        }
        self.code(&query)
    }
}

/// Compares all of two texts, however early they differ.
fn alike(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(issuer_required: bool) -> Expected {
        Expected { state: Secret::new("canary-state"), issuer: "https://auth".into(), issuer_required }
    }

    /// Proves that only an answer with the state given out, and from whom was asked, brings a code.
    #[test]
    fn only_the_answer_to_this_login_brings_a_code() {
        let code = |query: &str| expected(false).code(query).map(|code| code.expose().to_owned());
        assert_eq!(code("code=c%2B1&state=canary-state").unwrap(), "c+1");
        assert_eq!(code("state=canary-state&code=c&iss=https%3A%2F%2Fauth").unwrap(), "c");
        for query in [
            "code=c",
            "code=c&state=other",
            "code=c&state=canary-stat",
            "state=other&code=c&state=canary-state",
            "code=&state=canary-state",
            "state=canary-state",
            "code=c&state=canary-state&iss=https://evil",
            "",
        ] {
            let error = code(query).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{query}: {error}");
        }
        assert!(expected(true).code("code=c&state=canary-state").is_err());
        assert!(expected(true).code("code=c&state=canary-state&iss=https://auth").is_ok());
    }

    /// Proves that a refusal is told in the authorization server's words, on one line.
    #[test]
    fn a_refusal_is_told_as_it_was_given() {
        let query = "error=access_denied&error_description=no%0Away&state=canary-state";
        let error = expected(false).code(query).unwrap_err();
        assert_eq!(error.to_string(), "the login was refused: access_denied (no way)");
    }

    /// Proves that the whole address, a part of it, or the code with its state can be pasted.
    #[test]
    fn what_people_paste_is_understood() {
        for text in [
            "http://127.0.0.1:1/callback?code=c&state=canary-state",
            " \"http://127.0.0.1:1/callback?code=c&state=canary-state\"\n",
            "?code=c&state=canary-state",
            "code=c&state=canary-state",
        ] {
            assert_eq!(expected(false).pasted(text).unwrap().expose(), "c", "{text}");
        }
        for text in ["", "c", "http://127.0.0.1/callback", "http://127.0.0.1/?code=c"] {
            assert!(expected(false).pasted(text).is_err(), "{text}");
        }
    }
}
