use super::log::Sink;
use std::{
    ffi::OsString,
    fs::{File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::PathBuf,
};

/// A file that lines are added to. When it is full it becomes `PATH.1`, what that was becomes `PATH.2`, and so on; it is
/// readable by its owner alone.
pub struct FileSink {
    path: PathBuf,
    most: u64,
    keep: u32,
    file: File,
    bytes: u64,
}

impl FileSink {
    /// Opens or makes the file. One that would grow beyond `most` bytes gives way to a new one (0: never), and `keep` older
    /// ones are kept.
    ///
    /// # Errors
    ///
    /// If it cannot be opened for writing.
    pub fn open(path: PathBuf, most: u64, keep: u32) -> io::Result<Self> {
        let (file, bytes) = open(&path)?;
        Ok(Self { path, most, keep, file, bytes })
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            match std::fs::rename(self.older(number), self.older(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match self.keep {
            0 => std::fs::remove_file(&self.path)?,
            _ => std::fs::rename(&self.path, self.older(1))?,
        }
        self.reopen()
    }

    fn older(&self, number: u32) -> PathBuf {
        let mut path = OsString::from(self.path.as_os_str());
        path.push(format!(".{number}"));
        path.into()
    }
}

fn open(path: &PathBuf) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let metadata = file.metadata()?;
    // A file that was there may be readable by others, as a shell makes it. A group's access may be meant, and is said.
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        let name = path.display();
        if mode & 0o007 == 0 {
            tracing::warn!("the audit's file {name} can be read by a group (its mode is {mode:o})");
        } else if let Err(error) = file.set_permissions(Permissions::from_mode(0o600)) {
            tracing::warn!(%error, "the audit's file {name} can be read by others (its mode is {mode:o}), and that cannot be changed");
        } else {
            tracing::warn!(
                "the audit's file {name} could be read by others (its mode was {mode:o}): now by its owner alone"
            );
        }
    }
    Ok((file, metadata.len()))
}

impl Sink for FileSink {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let after = self.bytes + line.len() as u64;
        if self.most > 0
            && self.bytes > 0
            && after > self.most
            && let Err(error) = self.rotate()
        {
            // Better a file that is too large than lines that are lost.
            tracing::warn!(%error, "the audit's file cannot give way to a new one");
        }
        let written = self.file.write_all(line);
        match written {
            Ok(()) => self.bytes += line.len() as u64,
            // What a full disk has taken of the line goes, so that the next one begins where a line begins.
            Err(_) => drop(self.file.set_len(self.bytes)),
        }
        written
    }

    fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.bytes) = open(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a full file gives way to a new one, that no line is divided or lost on the way, that older files are kept up
    /// to their number, and that nobody else can read them.
    #[test]
    fn a_full_file_gives_way_and_older_ones_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit");
        let mut sink = FileSink::open(path.clone(), 20, 2).unwrap();
        for number in 0..9 {
            sink.write(format!("line {number}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(read("audit"), "line 8\n");
        assert_eq!(read("audit.1"), "line 6\nline 7\n");
        assert_eq!(read("audit.2"), "line 4\nline 5\n");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 3);
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// Proves that a file which was there and which others could read is its owner's alone from then on, and that what a group
    /// was let is not taken (case 146).
    #[test]
    fn audit_file_readable_by_others_becomes_its_owners() {
        let directory = tempfile::tempdir().unwrap();
        for (before, after) in
            [(0o644, 0o600), (0o666, 0o600), (0o604, 0o600), (0o640, 0o640), (0o600, 0o600)]
        {
            let path = directory.path().join(format!("{before:o}"));
            std::fs::write(&path, "before\n").unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            let mut sink = FileSink::open(path.clone(), 0, 0).unwrap();
            sink.write(b"1\n").unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, after, "{before:o}");
        }
    }

    /// Proves that a file which was moved away is made anew when it is opened again, and that what was there is added to.
    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let [path, moved] = ["audit", "moved"].map(|name| directory.path().join(name));
        std::fs::write(&path, "before\n").unwrap();
        let mut sink = FileSink::open(path.clone(), 0, 0).unwrap();
        sink.write(b"1\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        sink.write(b"2\n").unwrap();
        sink.reopen().unwrap();
        sink.write(b"3\n").unwrap();
        assert_eq!(std::fs::read_to_string(moved).unwrap(), "before\n1\n2\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "3\n");
    }
}
