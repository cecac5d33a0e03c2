use crate::load::read;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Changes a file in one step: `change` gets its text (`None` where there is no file), and what it answers with takes the
/// file's place at once; `None` leaves it as it is. Whoever changes the file this way meanwhile waits, so that no change
/// is lost. The file keeps its mode; a new one is for its owner alone. A symbolic link stays one. Blocks.
///
/// # Errors
///
/// Those of `change`; or the folder or the file cannot be read or written, and then the file is as it was.
pub(crate) fn update<E: From<io::Error>>(
    path: &Path,
    change: impl FnOnce(Option<&str>) -> Result<Option<String>, E>,
) -> Result<(), E> {
    // Where a link points to, so that the link is not replaced by a file.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = folder_of(&path);
    make_folder(&folder)?;
    let _lock = lock(&folder)?;
    let text = match read(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(new) = change(text.as_deref())? {
        replace(&path, &folder, &new)?;
    }
    Ok(())
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Held until dropped. The folder itself is locked, since the file is about to be replaced, and nothing is left behind.
fn lock(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    loop {
        match rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive) {
            Ok(()) => return Ok(folder),
            Err(rustix::io::Errno::INTR) => {}
            // A file system without locks: the change is still one step, if not one after the other.
            Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOLCK | rustix::io::Errno::BADF) => {
                return Ok(folder);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn replace(path: &Path, folder: &Path, text: &str) -> io::Result<()> {
    // Made for its owner alone, which is what a new file stays.
    let mut file = tempfile::Builder::new().prefix(".afield-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Ok(metadata) = fs::metadata(path) {
        file.as_file().set_permissions(metadata.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // So that the new name survives a crash too; not every file system has this.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}
