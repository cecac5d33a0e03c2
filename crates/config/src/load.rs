use crate::{
    Config, Format, Location, Problems, Variables,
    foreign::{Told, format, no_servers, servers, syntax, tell},
    sections::{self, Root},
    syntax::{Node, Source, parse},
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

    /// Reads a configuration from `text`, which stands in the file `path`: ours, or the file of another MCP host, told by
    /// what it says. Another program's file knows no executors; those of our own file are known to it (that which
    /// `AFIELD_CONFIG` names, else the user's).
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn of_text(path: &Path, text: &str, variables: &Variables) -> Result<Self, Problems> {
        let (source, node, format) = parsed(path, text, variables)?;
        if format != Format::Afield {
            return Self::of_foreign(&source, &node, format, variables);
        }
        let root = sections::read(&source, &node)?;
        Ok(Self::of_root(root, path, format))
    }

    /// Another program's file, which knows no executors: those are in our own file.
    fn of_foreign(
        source: &Source,
        node: &Node,
        format: Format,
        variables: &Variables,
    ) -> Result<Self, Problems> {
        let own = own_file(&source.path, variables)?;
        let told: Vec<Told> =
            servers(format, node, None).into_iter().map(|entry| tell(format, entry)).collect();
        let mut root = sections::read_each(source, &told, own.executors);
        root.gateway = own.gateway;
        Ok(Self::of_root(root, &source.path, format))
    }

    fn of_root(root: Root, path: &Path, format: Format) -> Self {
        Self {
            file: Some(path.to_path_buf()),
            format,
            executors: root.executors,
            mcp_servers: root.mcp_servers,
            unusable: root.unusable,
            gateway: root.gateway,
            serving: root.serving,
            warnings: root.warnings,
        }
    }
}

fn parsed(path: &Path, text: &str, variables: &Variables) -> Result<(Source, Node, Format), Problems> {
    let source = Source::new(path, text, variables.home());
    let syntax = syntax(path, text);
    let node = parse(&source, syntax)?;
    let format = format(path, syntax, &node).ok_or_else(|| no_servers(&source))?;
    Ok((source, node, format))
}

/// What our own file says, besides the one at `path`: that which `AFIELD_CONFIG` names, else the user's. Without one,
/// nothing.
fn own_file(path: &Path, variables: &Variables) -> Result<Config, Problems> {
    let Some(location) = Location::find(None, variables).filter(|location| location.path != path) else {
        return Ok(Config::default());
    };
    let Ok(text) = read(&location.path) else { return Ok(Config::default()) };
    let (source, node, format) = parsed(&location.path, &text, variables)?;
    if format != Format::Afield {
        return Ok(Config::default());
    }
    Ok(Config::of_root(sections::read(&source, &node)?, &location.path, format))
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
