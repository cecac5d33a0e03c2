//! The one way to the user's terminal.
//!
//! What a peer said (an origin, a server, an executor, an authorization server) may hold characters that a terminal takes
//! for commands, or that make a line read otherwise than it is. So everything that this program writes to standard output
//! and standard error goes through here, and `cargo xtask check` finds what does not:
//!
//! - on a terminal, such characters are shown as escapes (`\x1b`, `\u{202e}`); JSON gets JSON's own (`\u001b`), which means
//!   the same;
//! - in a file or a pipe, bytes are what they are.

mod clean;
mod json;
mod stream;

pub(crate) use clean::{Cleaner, clean};
pub(crate) use json::{JsonCleaner, clean as clean_json};
pub(crate) use stream::{JsonOutput, json_sink, log_sink, stdout_file};

use crate::{ExitCode, failure::Failure, terminal::Terminal};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Writes a line to standard error, as `format!` would make it: news, warnings and hints for a person.
macro_rules! note {
    ($($argument:tt)*) => { $crate::console::note_line(&format!($($argument)*)) };
}
pub(crate) use note;

/// One of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

impl Stream {
    /// Tells whether a terminal shows what is written here.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Out => io::stdout().is_terminal(),
            Self::Err => io::stderr().is_terminal(),
        }
    }

    /// Describes the terminal behind it.
    pub fn terminal(self) -> Terminal {
        match self {
            Self::Out => Terminal::of(&io::stdout()),
            Self::Err => Terminal::of(&io::stderr()),
        }
    }

    fn write(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Out => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Self::Err => io::stderr().write_all(bytes),
        }
    }
}

/// Writes all of it to standard output.
pub(crate) fn print(text: impl AsRef<[u8]>) -> Result<(), Failure> {
    let text = text.as_ref();
    let written = match Stream::Out.is_terminal() {
        true => Stream::Out.write(&Cleaner::whole(text)),
        false => Stream::Out.write(text),
    };
    written.map_err(|error| Failure::new(ExitCode::Write, format!("cannot write the output: {error}")))
}

/// Writes `value` to standard output as JSON, for `--json`.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(ExitCode::Internal, format!("cannot write JSON: {error}")))?;
    text.push('\n');
    let text = match Stream::Out.is_terminal() {
        true => json::clean(&text).into_owned(),
        false => text,
    };
    Stream::Out
        .write(text.as_bytes())
        .map_err(|error| Failure::new(ExitCode::Write, format!("cannot write the output: {error}")))
}

/// Writes text to standard error, as it is. That it cannot be written is nobody's business.
pub(crate) fn tell(text: &str) {
    let _ = match Stream::Err.is_terminal() {
        true => Stream::Err.write(&Cleaner::whole(text.as_bytes())),
        false => Stream::Err.write(text.as_bytes()),
    };
}

/// Writes a line to standard error; [`note!`] formats it.
pub(crate) fn note_line(line: &str) {
    tell(&format!("{line}\n"));
}

/// Writes a failure to standard error and returns its code.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    tell(&failure.text());
    failure.code
}

/// Writes what we drew ourselves, colours and movements of the cursor included. Whoever draws has [`clean`]ed what in it
/// is not our own.
pub(crate) fn draw(stream: Stream, drawing: impl AsRef<[u8]>) -> io::Result<()> {
    stream.write(drawing.as_ref())
}

/// Writes the help or the complaint of the command line's parser, in its colours. What it quotes is the user's own.
pub(crate) fn usage(error: &clap::Error) {
    let _ = error.print();
}
