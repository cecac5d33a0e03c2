use std::{io::IsTerminal, os::fd::AsFd};

/// What the terminal behind an output stream can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    pub is_terminal: bool,
    /// Columns; 80 where nothing is known.
    pub width: usize,
    pub colour: bool,
}

impl Terminal {
    /// Looks at `stream`. `NO_COLOR` (any non-empty value) and `TERM=dumb` turn colour off.
    pub fn of(stream: &(impl IsTerminal + AsFd)) -> Self {
        let is_terminal = stream.is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { is_terminal, width: width(stream), colour: is_terminal && !plain }
    }
}

fn width(stream: &impl AsFd) -> usize {
    let asked = rustix::termios::tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
    let told = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    match asked {
        0 => told().unwrap_or(80),
        columns => columns,
    }
    .clamp(20, 1000)
}
