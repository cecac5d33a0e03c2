//! The inputs that every run starts from.

use std::{fs, io, path::Path};

/// The files of `seeds/TARGET/`, in the order of their names.
///
/// # Errors
///
/// When the directory or one of its files cannot be read.
pub fn seeds(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut paths =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.into_iter().map(fs::read).collect()
}
