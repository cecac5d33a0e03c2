use crate::{
    Config, Format, Location, Problems, Variables, sections,
    syntax::{Source, Syntax, parse},
};
use std::{fs, io, path::Path, path::PathBuf};

/// The largest file that is read.
const LARGEST: u64 = 32 << 20;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Neither was a file named nor is there a user's folder.
    #[error("there is no configuration: name a file with --config or AFIELD_CONFIG, or set HOME")]
    Nowhere,
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file says something wrong: everything that is wrong with it.
    #[error("{0}")]
    Problems(#[from] Problems),
}

impl Config {
    /// Reads the configuration that [`Location::find`] finds. A file that nobody named may be absent: then nothing is
    /// configured. Blocks on the file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or says something wrong.
    pub fn load(flag: Option<&Path>, variables: &Variables) -> Result<Self, LoadError> {
        let location = Location::find(flag, variables).ok_or(LoadError::Nowhere)?;
        match read(&location.path) {
            Ok(text) => Ok(Self::of_text(&location.path, &text, variables)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound && location.may_be_absent() => {
                Ok(Self::default())
            }
            Err(error) => Err(LoadError::Read { path: location.path, error }),
        }
    }

    /// Reads a configuration from `text`, which stands in the file `path`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn of_text(path: &Path, text: &str, variables: &Variables) -> Result<Self, Problems> {
        let source = Source::new(path, text, variables.home());
        let node = parse(&source, Syntax::Toml)?;
        let root = sections::read(&source, &node, Default::default())?;
        Ok(Self {
            file: Some(path.to_path_buf()),
            format: Format::Afield,
            executors: root.executors,
            mcp_servers: root.mcp_servers,
            unusable: root.unusable,
            gateway: root.gateway,
            warnings: root.warnings,
        })
    }
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let size = fs::metadata(path)?.len();
    if size > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is larger than {} MiB", LARGEST >> 20),
        ));
    }
    fs::read_to_string(path)
}
