use crate::failure::Failure;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// Other names that are tried where a file is there already, as many as in curl.
const OTHER_NAMES: usize = 100;

/// How the file of a body is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct FilePlan {
    pub create_dirs: bool,
    pub no_clobber: bool,
    pub remote_time: bool,
    pub remove_on_error: bool,
    /// The response says the name; what is there is not overwritten.
    pub name_from_head: bool,
    /// The file must not be there.
    pub only_new: bool,
    /// Append from here on.
    pub resume: Option<u64>,
    /// The file that was made, once it was: another attempt writes there too.
    pub made: Arc<OnceLock<PathBuf>>,
}

impl FilePlan {
    /// Opens the file, empty or at the place to go on from.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        if let Some(made) = self.made.get() {
            return self.open_at(made, OpenOptions::new().write(true).create(true));
        }
        if let Some(folder) = path.parent().filter(|_| self.create_dirs) {
            fs::create_dir_all(folder)?;
        }
        let (file, path) = if self.only_new {
            (OpenOptions::new().write(true).create_new(true).open(path)?, path.to_owned())
        } else if self.no_clobber && self.resume.is_none() {
            self.open_other(path)?
        } else {
            (self.open_at(path, OpenOptions::new().write(true).create(true))?, path.to_owned())
        };
        let _ = self.made.set(path);
        Ok(file)
    }

    fn open_at(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        let mut file = options.open(path)?;
        // A device or a pipe has no length.
        if file.metadata()?.is_file() {
            file.set_len(self.resume.unwrap_or(0))?;
            file.seek(SeekFrom::End(0))?;
        }
        Ok(file)
    }

    fn open_other(&self, path: &Path) -> io::Result<(File, PathBuf)> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let mut result = options.open(path).map(|file| (file, path.to_owned()));
        for number in 1..=OTHER_NAMES {
            match &result {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                _ => break,
            }
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{number}"));
            result = options.open(&name).map(|file| (file, PathBuf::from(name)));
        }
        result
    }

    /// What is left to do once the transfer has ended.
    pub fn end(&self, failed: bool, last_modified: Option<&str>) -> Result<(), Failure> {
        let Some(path) = self.made.get().filter(|path| path.is_file()) else { return Ok(()) };
        if failed {
            if self.remove_on_error {
                let _ = fs::remove_file(path);
            }
            return Ok(());
        }
        let time =
            last_modified.filter(|_| self.remote_time).and_then(|text| httpdate::parse_http_date(text).ok());
        if let Some(time) = time {
            // As in curl: that the time cannot be set is no failure of the transfer.
            let _ = File::options().append(true).open(path).and_then(|file| file.set_modified(time));
        }
        Ok(())
    }
}

/// The file name that a `Content-Disposition` gives, without any folder.
pub(crate) fn name_in(disposition: &str) -> Option<String> {
    let lower = disposition.to_ascii_lowercase();
    let at = lower
        .match_indices("filename=")
        .map(|(at, _)| at)
        .find(|&at| !lower[..at].ends_with(|before: char| before.is_ascii_alphanumeric()))?;
    let value = &disposition[at + "filename=".len()..];
    let (value, stop) = match value.as_bytes().first()? {
        b'"' => (&value[1..], '"'),
        b'\'' => (&value[1..], '\''),
        _ => (value, ';'),
    };
    let name = value.split(stop).next()?;
    let name = name.rsplit(['/', '\\']).next()?.trim_end_matches(['\r', '\n']);
    (!matches!(name, "" | "." | "..") && !name.contains('\0')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a name from a head never leaves the folder.
    #[test]
    fn name_from_disposition_is_one_plain_name() {
        for (text, name) in [
            ("attachment; filename=\"a b.txt\"; x=y", Some("a b.txt")),
            ("attachment; FileName=a.txt; x", Some("a.txt")),
            ("attachment; filename='../../etc/x'", Some("x")),
            ("attachment; filename=c:\\x\\y", Some("y")),
            ("attachment; filename=\"..\"", None),
            ("attachment; filename=\"a/\"", None),
            ("inline", None),
        ] {
            assert_eq!(name_in(text).as_deref(), name, "{text}");
        }
    }

    /// Proves that an existing file is kept with `--no-clobber`, and that another attempt writes the same file anew.
    #[test]
    fn no_clobber_takes_another_name_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "old").unwrap();
        let plan = FilePlan { no_clobber: true, ..FilePlan::default() };
        for _ in 0..2 {
            drop(plan.open(&path).unwrap());
        }
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert!(folder.path().join("f.1").exists() && !folder.path().join("f.2").exists());
    }
}
