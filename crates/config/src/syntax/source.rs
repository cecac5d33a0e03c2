use crate::Place;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The text that is read, and what is needed to say where in it something stands.
#[derive(Clone)]
pub(crate) struct Source {
    /// The file, or what stands for it in errors: `command line`.
    pub name: Arc<str>,
    pub text: Arc<str>,
    pub path: PathBuf,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    /// What `~/` stands for.
    pub home: Option<PathBuf>,
}

impl Source {
    pub fn new(path: &Path, text: impl Into<Arc<str>>, home: Option<PathBuf>) -> Self {
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Self {
            name: path.display().to_string().into(),
            text: text.into(),
            path: path.to_path_buf(),
            folder,
            home,
        }
    }

    /// Where the byte `offset` stands. Lines and columns count from 1, columns in characters.
    pub fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        if self.text.is_empty() {
            return Place::whole(self.name.clone());
        }
        Place { file: self.name.clone(), line, column }
    }

    /// What a file name in the file means: `~/` is the home folder, a relative one starts from the file's folder.
    pub fn resolve(&self, written: &str) -> PathBuf {
        match (written.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.folder.join(written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that lines and columns count from 1, columns in characters, and that no offset is too far.
    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = Source::new(Path::new("/c/f.toml"), "é = 1\nab = 2\n", None);
        let place = |offset| {
            let Place { line, column, .. } = source.place(offset);
            (line, column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(1), (1, 1), "within a character");
        assert_eq!(place(3), (1, 3));
        assert_eq!(place(7), (2, 1));
        assert_eq!(place(9999), (3, 1));
    }

    /// Proves that paths start from the file's folder or from home.
    #[test]
    fn paths_start_from_the_file_or_home() {
        let source = Source::new(Path::new("/c/f.toml"), "", Some("/h".into()));
        assert_eq!(source.resolve("token"), Path::new("/c/token"));
        assert_eq!(source.resolve("~/token"), Path::new("/h/token"));
        assert_eq!(source.resolve("/t/token"), Path::new("/t/token"));
    }
}
