use super::{Export, json, toml};
use crate::{EditError, Format, Problem, Problems, edit::update, syntax::Source};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What was written into a host's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The copy of the file as it was before; `None` where there was none, or nothing changed.
    pub backup: Option<PathBuf>,
    /// Whether the file says anything else than before.
    pub changed: bool,
}

impl Export {
    /// The entries for these servers as a file of their own.
    pub fn text(&self, names: &[&str]) -> String {
        let source = Source::new(Path::new(""), "", None);
        self.with_entries(&source, names).unwrap_or_else(|_| unreachable!("an empty file takes entries"))
    }

    fn with_entries(&self, source: &Source, names: &[&str]) -> Result<String, Problem> {
        match self.host.format() {
            Format::Codex => toml::with_entries(source, self, names),
            _ => json::with_entries(source, self, names),
        }
    }
}

/// Puts entries for these servers into the host's file at `path`, in place of those of the same names. Everything else in it,
/// comments too, stays; a copy of the file as it was is kept beside it. Blocks.
///
/// # Errors
///
/// The file cannot be read, understood or written; then it is as it was.
pub fn export_into(path: &Path, export: &Export, names: &[&str]) -> Result<Written, EditError> {
    enum Failed {
        Io(io::Error),
        Problem(Problem),
    }
    impl From<io::Error> for Failed {
        fn from(error: io::Error) -> Self {
            Self::Io(error)
        }
    }
    let mut written = Written { backup: None, changed: false };
    let result = update::<Failed>(path, |old| {
        let source = Source::new(path, old.unwrap_or_default(), None);
        let new = export.with_entries(&source, names).map_err(Failed::Problem)?;
        if old == Some(&new) {
            return Ok(None);
        }
        written.changed = true;
        if old.is_some() {
            written.backup = Some(back_up(path)?);
        }
        Ok(Some(new))
    });
    match result {
        Ok(()) => Ok(written),
        Err(Failed::Io(error)) => Err(EditError::File { path: path.to_path_buf(), error }),
        Err(Failed::Problem(problem)) => Err(Problems::from(problem).into()),
    }
}

/// Copies that are kept beside a file.
const BACKUPS: usize = 5;

/// Copies the file, with its mode, to the first free name beside it. Where all names are taken, the oldest copy makes room; the
/// first one, how the file was before anything was exported into it, stays.
fn back_up(path: &Path) -> io::Result<PathBuf> {
    let numbered = |number: usize| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".afield-backup-{number}"));
        path.with_file_name(name)
    };
    for number in 1..=BACKUPS {
        let copy = numbered(number);
        if !copy.try_exists()? {
            fs::copy(path, &copy)?;
            return Ok(copy);
        }
    }
    for number in 2..BACKUPS {
        fs::rename(numbered(number + 1), numbered(number))?;
    }
    let copy = numbered(BACKUPS);
    fs::copy(path, &copy)?;
    Ok(copy)
}
