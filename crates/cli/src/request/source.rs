use std::{fmt, path::PathBuf};

/// Where a request body is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    File(PathBuf),
    /// The parts of a form.
    Form,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::Form => f.write_str("the form"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}
