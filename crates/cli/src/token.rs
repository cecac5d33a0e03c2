mod command;

pub(crate) use command::{TokenFlags, run};

use crate::{ExitCode, failure::Failure};
use std::{fmt, path::Path};

/// The largest token file that is read.
const LARGEST: u64 = 64 * 1024;

/// A bearer token. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// The token that `file` holds, else the one in the variable `AFIELD_TOKEN`, else none. White space around it is
    /// not part of it.
    pub fn find(file: Option<&Path>) -> Result<Option<Self>, Failure> {
        Self::find_in(file, "AFIELD_TOKEN")
    }

    /// The token that `file` holds, else the one in this variable, else none.
    pub fn find_in(file: Option<&Path>, variable: &str) -> Result<Option<Self>, Failure> {
        match file.filter(|file| !file.as_os_str().is_empty()) {
            Some(file) => Self::read(file).map(Some),
            None => match std::env::var(variable) {
                Ok(text) if !text.trim().is_empty() => Self::parse(&text, variable).map(Some),
                _ => Ok(None),
            },
        }
    }

    fn read(file: &Path) -> Result<Self, Failure> {
        let name = file.display();
        let cannot = |why: &dyn fmt::Display| {
            Failure::new(ExitCode::Read, format!("cannot read the token in {name}: {why}"))
        };
        let size = std::fs::metadata(file).map_err(|error| cannot(&error))?.len();
        if size > LARGEST {
            return Err(cannot(&format_args!("the file is larger than {LARGEST} bytes")));
        }
        let text = std::fs::read_to_string(file).map_err(|error| cannot(&error))?;
        Self::parse(&text, &name.to_string())
    }

    fn parse(text: &str, from: &str) -> Result<Self, Failure> {
        let token = text.trim();
        if token.is_empty() {
            return Err(Failure::usage(format!("the token in {from} is empty")));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::usage(format!(
                "the token in {from} holds white space or control characters"
            ))
            .with_hint("a token is one word of visible ASCII characters"));
        }
        Ok(Self(token.to_owned()))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
