//! Files that only their owner can read.

use super::StoreError;
use crate::login::random;
use fs4::FileExt;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// More than any token.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The folder of a token store.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn file(&self, stem: &str) -> PathBuf {
        self.0.join(format!("{stem}.json"))
    }

    /// What is in a server's file, if there is one.
    pub(super) fn read(&self, stem: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.file(stem);
        let failed = |error| io_error("cannot read", &path, &error);
        let mut options = OpenOptions::new();
        options.read(true);
        let file = match owned::open(&mut options, &path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        owned::check_folder(&self.0)?;
        owned::check_file(&path, &file)?;
        let mut bytes = Vec::new();
        (&file).take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some(bytes))
    }

    /// An empty file beside a server's, to be written and put in its place.
    pub(super) fn draft(&self, stem: &str) -> Result<Draft, StoreError> {
        self.make()?;
        let path = self.0.join(format!(".{stem}.{}", random::text()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let file =
            owned::open(&mut options, &path).map_err(|error| io_error("cannot write", &path, &error))?;
        Ok(Draft { file, path: Some(path), target: self.file(stem), folder: self.0.clone() })
    }

    pub(super) fn remove(&self, stem: &str) -> Result<bool, StoreError> {
        let path = self.file(stem);
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(&self.0).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io_error("cannot remove", &path, &error)),
        }
    }

    /// The file that is locked in place of a server's, which is replaced by every write. It is never removed: whoever
    /// waits for a removed file waits for nothing.
    pub(super) fn lock_file(&self, stem: &str) -> Result<File, StoreError> {
        self.make()?;
        let path = self.0.join(format!("{stem}.lock"));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        owned::open(&mut options, &path).map_err(|error| io_error("cannot lock", &path, &error))
    }

    /// Waits until nobody else makes a key, and keeps others from it until the file is dropped.
    pub(super) fn lock_keys(&self) -> Result<File, StoreError> {
        let file = self.lock_file("sealing-key")?;
        FileExt::lock(&file).map_err(|error| io_error("cannot lock", &self.0, &error))?;
        Ok(file)
    }

    fn make(&self) -> Result<(), StoreError> {
        owned::make_folder(&self.0).map_err(|error| io_error("cannot make", &self.0, &error))?;
        owned::check_folder(&self.0)
    }
}

/// A file being written. Removed, unless it was finished.
pub(super) struct Draft {
    file: File,
    path: Option<PathBuf>,
    target: PathBuf,
    folder: PathBuf,
}

impl Draft {
    /// Writes it, and puts it in its place. On the disk when this returns.
    pub(super) fn finish(mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path.take().expect("a draft is finished once");
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_all());
        let placed = written.and_then(|()| fs::rename(&path, &self.target));
        if let Err(error) = placed {
            self.path = Some(path);
            return Err(io_error("cannot write", &self.target, &error));
        }
        sync_folder(&self.folder)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes a name that was put into a folder last.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    if cfg!(windows) {
        // A folder cannot be opened there, and a rename is in the journal.
        return Ok(());
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| io_error("cannot flush", folder, &error))
}

fn io_error(doing: &'static str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::Io { doing, path: path.to_owned(), why: error.to_string() }
}

#[cfg(unix)]
mod owned {
    use super::StoreError;
    use rustix::{fs::OFlags, process::geteuid};
    use std::{
        fs::{DirBuilder, File, Metadata, OpenOptions},
        io,
        os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
        path::Path,
    };

    /// Opens a file, and no link; one that is made is 0600.
    pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
        // Not to block on a pipe that somebody put there.
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).expect("flags are ints");
        options.mode(0o600).custom_flags(flags).open(path).map_err(|error| {
            if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
                return io::Error::other("it is a symbolic link");
            }
            error
        })
    }

    pub(super) fn make_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    pub(super) fn check_folder(path: &Path) -> Result<(), StoreError> {
        let metadata = path.metadata().map_err(|error| super::io_error("cannot read", path, &error))?;
        check(path, &metadata, "700")
    }

    pub(super) fn check_file(path: &Path, file: &File) -> Result<(), StoreError> {
        let metadata = file.metadata().map_err(|error| super::io_error("cannot read", path, &error))?;
        if !metadata.is_file() {
            return Err(super::io_error("cannot read", path, &io::Error::other("it is no plain file")));
        }
        check(path, &metadata, "600")
    }

    fn check(path: &Path, metadata: &Metadata, mode: &str) -> Result<(), StoreError> {
        let exposed = |why, mend| StoreError::Exposed { path: path.to_owned(), why, mend };
        if metadata.uid() != geteuid().as_raw() {
            return Err(exposed("belongs to another user", format!("chown $(id -un) '{}'", path.display())));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(exposed("is open to other users", format!("chmod {mode} '{}'", path.display())));
        }
        Ok(())
    }
}

/// Where files have no modes, the user's own folder is closed to others by what it inherits.
#[cfg(not(unix))]
mod owned {
    use super::StoreError;
    use std::{
        fs::{self, File, OpenOptions},
        io,
        path::Path,
    };

    pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(io::Error::other("it is a symbolic link"));
        }
        options.open(path)
    }

    pub(super) fn make_folder(path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    pub(super) fn check_folder(_: &Path) -> Result<(), StoreError> {
        Ok(())
    }

    pub(super) fn check_file(_: &Path, _: &File) -> Result<(), StoreError> {
        Ok(())
    }
}
