use crate::Variables;
use std::fmt;

/// A text with variables of this process in it: `Bearer ${TOKEN}`, with a default as `${TOKEN:-none}`; `${env:TOKEN}` is
/// the same as `${TOKEN}`. `Debug` shows the variables alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable { name: String, default: Option<String> },
}

/// A variable that is needed is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the variable {0} is not set, is empty, or is no text")]
pub struct Unset(pub String);

impl Template {
    /// The value of this variable.
    pub fn variable(name: impl Into<String>) -> Self {
        Self(vec![Part::Variable { name: name.into(), default: None }])
    }

    /// A text, and the value of this variable after it.
    pub fn prefixed(prefix: &str, name: impl Into<String>) -> Self {
        Self(vec![Part::Text(prefix.into()), Part::Variable { name: name.into(), default: None }])
    }

    /// What `text` means: the name of a variable, or a text with `${VARIABLE}` in it.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if is_variable(text) {
            return Ok(Self::variable(text));
        }
        if !text.contains("${") {
            return Err("this is neither a variable's name nor a text with ${VARIABLE} in it".into());
        }
        Self::parts(text)
    }

    /// The parts of a text in which `${VARIABLE}` stands for a variable.
    pub(crate) fn parts(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if start > 0 {
                parts.push(Part::Text(rest[..start].to_owned()));
            }
            let inside = &rest[start + 2..];
            let end = inside.find('}').ok_or("a `${` has no `}`")?;
            parts.push(part(&inside[..end])?);
            rest = &inside[end + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The text it stands for.
    ///
    /// # Errors
    ///
    /// The first variable that is not set and has no default.
    pub fn resolve(&self, variables: &Variables) -> Result<String, Unset> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Variable { name, default } => match (variables.text(name), default) {
                    (Some(value), _) => text.push_str(value.trim()),
                    (None, Some(default)) => text.push_str(default),
                    (None, None) => return Err(Unset(name.clone())),
                },
            }
        }
        Ok(text)
    }

    /// The variables in it.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// A text before one variable at the very end, which is all that can be asked of an executor.
    pub(crate) fn as_suffixed(&self) -> Option<(&str, &str)> {
        match self.0.as_slice() {
            [Part::Variable { name, default: None }] => Some(("", name)),
            [Part::Text(prefix), Part::Variable { name, default: None }] => Some((prefix, name)),
            _ => None,
        }
    }

    /// The same, as a file says it: the name alone where that is all.
    pub(crate) fn written(&self) -> String {
        if let Some(("", name)) = self.as_suffixed() {
            return name.to_owned();
        }
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Variable { name, default: None } => format!("${{{name}}}"),
            Part::Variable { name, default: Some(default) } => format!("${{{name}:-{default}}}"),
        });
        parts.collect()
    }
}

fn part(inside: &str) -> Result<Part, String> {
    let inside = inside.strip_prefix("env:").unwrap_or(inside);
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default.to_owned())),
        None => (inside, None),
    };
    if !is_variable(name) {
        return Err("between `${` and `}` the name of a variable is wanted".into());
    }
    Ok(Part::Variable { name: name.to_owned(), default })
}

/// Whether `text` can be the name of a variable.
pub(crate) fn is_variable(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => write!(f, "<{} bytes>", text.len())?,
                Part::Variable { name, .. } => write!(f, "${{{name}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves what each spelling of a variable means, and that one that is not set is named.
    #[test]
    fn variables_are_filled_in() {
        let variables = Variables::of([("A", "1"), ("B", " 2\n"), ("EMPTY", "")]);
        let resolve = |text| Template::parse(text).unwrap().resolve(&variables);
        assert_eq!(resolve("A").unwrap(), "1");
        assert_eq!(resolve("Bearer ${A}").unwrap(), "Bearer 1");
        assert_eq!(resolve("${env:A}-${B}!").unwrap(), "1-2!");
        assert_eq!(resolve("${NONE:-x y}").unwrap(), "x y");
        assert_eq!(resolve("${EMPTY:-d}").unwrap(), "d");
        assert_eq!(resolve("x ${NONE}"), Err(Unset("NONE".into())));
        for nonsense in ["", "a b", "${", "${}", "${A", "${input:x}", "1A", "Bearer"] {
            let parsed = Template::parse(nonsense);
            assert!(parsed.is_err() || nonsense == "Bearer", "{nonsense}");
        }
    }

    /// Proves that a template's own text, which may be a secret, is not shown.
    #[test]
    fn debug_shows_variables_alone() {
        assert_eq!(format!("{:?}", Template::parse("canary ${A:-canary}").unwrap()), "<7 bytes>${A}");
    }
}
