use crate::Variables;
use std::path::{Path, PathBuf};

/// Which file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// Who named it.
    pub named_by: NamedBy,
}

/// Who named the configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The command line.
    Flag,
    /// The variable `AFIELD_CONFIG`.
    Variable,
    /// Nobody: it is where the user's configuration is by default, and may be absent.
    Default,
}

/// The variable that names the file.
pub const VARIABLE: &str = "AFIELD_CONFIG";

impl Location {
    /// The file that `flag` names, else the one that `AFIELD_CONFIG` names, else the user's:
    ///
    /// - `$XDG_CONFIG_HOME/afield/config.toml`, where that variable holds an absolute path,
    /// - on Windows `%APPDATA%\afield\config.toml`,
    /// - elsewhere, macOS too, `~/.config/afield/config.toml`.
    ///
    /// `None` where there is neither a name nor a user's folder.
    pub fn find(flag: Option<&Path>, variables: &Variables) -> Option<Self> {
        let named = |path: PathBuf, named_by| Some(Self { path, named_by });
        if let Some(path) = flag.filter(|path| !path.as_os_str().is_empty()) {
            return named(path.to_path_buf(), NamedBy::Flag);
        }
        if let Some(path) = variables.get(VARIABLE) {
            return named(path.into(), NamedBy::Variable);
        }
        named(folder(variables)?.join("config.toml"), NamedBy::Default)
    }

    /// Whether it is no error that there is no such file.
    pub fn may_be_absent(&self) -> bool {
        self.named_by == NamedBy::Default
    }
}

fn folder(variables: &Variables) -> Option<PathBuf> {
    let absolute = |name| variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME")
        .or_else(|| if cfg!(windows) { absolute("APPDATA") } else { None })
        .or_else(|| Some(variables.home()?.join(".config")))?;
    Some(base.join("afield"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a flag goes before the variable, and that before the user's folder; empty ones count as not given.
    #[test]
    fn flag_then_variable_then_folder() {
        let find = |flag: Option<&str>, variables: &[(&str, &str)]| {
            let variables = Variables::of(variables.iter().copied());
            Location::find(flag.map(Path::new), &variables).map(|location| (location.path, location.named_by))
        };
        let path = |path: &str, by| Some((PathBuf::from(path), by));
        let all = [("AFIELD_CONFIG", "/v"), ("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(find(Some("/f"), &all), path("/f", NamedBy::Flag));
        assert_eq!(find(Some(""), &all), path("/v", NamedBy::Variable));
        assert_eq!(find(None, &all[1..]), path("/x/afield/config.toml", NamedBy::Default));
        assert_eq!(find(None, &all[2..]), path("/h/.config/afield/config.toml", NamedBy::Default));
        assert_eq!(
            find(None, &[("XDG_CONFIG_HOME", "relative"), ("HOME", "/h")]),
            path("/h/.config/afield/config.toml", NamedBy::Default)
        );
        assert_eq!(find(None, &[]), None);
    }
}
