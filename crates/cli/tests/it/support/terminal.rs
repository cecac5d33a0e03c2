//! Commands on a terminal of their own.

use afield_testkit::within;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::{
    fs::File,
    io::Read,
    process::{ExitStatus, Stdio},
};
use tokio::process::Command;

/// Runs it to its end with both outputs on a new terminal. How it ended, and what the terminal was sent.
pub async fn on_terminal(mut command: Command) -> (ExitStatus, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap();
    let side = File::options().read(true).write(true).open(path.to_str().unwrap()).unwrap();
    command.stdout(Stdio::from(side.try_clone().unwrap())).stderr(Stdio::from(side));
    let mut child = command.spawn().unwrap();
    // The command holds the terminal's other side too: the last one to close it ends the reading.
    drop(command);
    let reading = tokio::task::spawn_blocking(move || {
        let mut shown = Vec::new();
        // Linux says that the other side is gone by an error.
        let _ = File::from(terminal).read_to_end(&mut shown);
        shown
    });
    let status = within("the command's end", child.wait()).await.unwrap();
    let shown = within("the terminal's end", reading).await.unwrap();
    (status, String::from_utf8(shown).expect("a terminal is sent UTF-8"))
}

/// Proves that nothing in it is a command to a terminal, or makes it read otherwise than it is.
#[track_caller]
pub fn assert_harmless(shown: &str) {
    // The terminal makes `\r\n` of `\n`, and `\r\r\n` of the `\r\n` of HTTP.
    let text = shown.replace("\r\r\n", "\n").replace("\r\n", "\n");
    let harmful = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(harmful), "{shown:?}");
}
