//! Whose the files are that decide over an executor.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// Anybody may write.
const BY_ANYBODY: u32 = 0o002;

/// Checks a file that holds or names credentials, keys or rules: whoever can write it decides who is let in and what they may
/// do. One that is not there is not looked at. Returns what is worth a word.
///
/// # Errors
///
/// Anybody on this machine can write it.
pub(crate) fn check(file: &Path) -> Result<Option<String>, String> {
    let Ok(metadata) = fs::metadata(file) else { return Ok(None) };
    judge(&file.display().to_string(), metadata.mode(), metadata.uid(), rustix::process::geteuid().as_raw())
}

fn judge(file: &str, mode: u32, owner: u32, own: u32) -> Result<Option<String>, String> {
    // Devices and pipes, such as /dev/stdin, are everybody's and hold nothing.
    if mode & BY_ANYBODY != 0 && mode & 0o170_000 == 0o100_000 {
        return Err(format!("{file} can be written by anybody on this machine: `chmod o-w {file}`"));
    }
    let is_foreign = owner != own && owner != 0;
    Ok(is_foreign.then(|| {
        format!("{file} belongs to another user (uid {owner}), who can change it: `chown {own} {file}` if that is not meant")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a file which anybody can write is refused, that another user's is worth a word, and that one's own and
    /// root's are neither (case 146).
    #[test]
    fn files_of_others_are_noticed() {
        const FILE: u32 = 0o100_000;
        for (mode, owner, expected) in [
            (FILE | 0o600, 1000, Ok(false)),
            (FILE | 0o644, 0, Ok(false)),
            (FILE | 0o660, 1000, Ok(false)),
            (FILE | 0o666, 1000, Err(())),
            (FILE | 0o602, 0, Err(())),
            (FILE | 0o600, 1001, Ok(true)),
            (0o020_666, 0, Ok(false)),
        ] {
            let judged = judge("f", mode, owner, 1000).map(|warning| warning.is_some()).map_err(drop);
            assert_eq!(judged, expected, "{mode:o} {owner}");
        }
    }
}
