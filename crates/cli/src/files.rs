//! Whose the files are that a command goes by, and who can read and write them.

use afield_config::{ClientIdentity, Credential};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Anybody may write.
const BY_ANYBODY: u32 = 0o002;
/// Anybody may read.
const FOR_ANYBODY: u32 = 0o004;
/// Of a folder: whoever may write there may still not take away what is another's.
const STICKY: u32 = 0o1000;
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// A file that a command goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    /// It decides: a configuration, certificates, names, digests.
    Decides(PathBuf),
    /// It holds a secret: a token, a key, a password.
    Secret(PathBuf),
}

impl Used {
    /// The file of a credential, if it is one.
    pub fn of_credential(credential: Option<&Credential>) -> Option<Self> {
        match credential? {
            Credential::File(path) => Some(Self::Secret(path.clone())),
            Credential::Variable(_) => None,
        }
    }

    /// The files of a certificate and its key.
    pub fn of_identity(identity: Option<&ClientIdentity>) -> impl Iterator<Item = Self> {
        let both = identity.map(|identity| {
            [Self::Decides(identity.certificate.clone()), Self::Secret(identity.key.clone())]
        });
        both.into_iter().flatten()
    }

    fn path(&self) -> &Path {
        match self {
            Self::Decides(path) | Self::Secret(path) => path,
        }
    }
}

/// Checks a file: whoever can write it decides what the command does, whoever can read a secret has it. One that is not there is
/// not looked at. Returns what is worth a word.
///
/// # Errors
///
/// Anybody on this machine can write it.
pub(crate) fn check(used: &Used) -> Result<Vec<String>, String> {
    let path = used.path();
    let Ok(metadata) = fs::metadata(path) else { return Ok(Vec::new()) };
    let own = rustix::process::geteuid().as_raw();
    let mut warnings = judge(used, metadata.mode(), metadata.uid(), own)?;
    let folder =
        path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    if metadata.mode() & KIND == REGULAR
        && let Some(folder) = folder
        && let Ok(mode) = fs::metadata(folder).map(|folder| folder.mode())
        && mode & BY_ANYBODY != 0
        && mode & STICKY == 0
    {
        let (file, folder) = (path.display(), folder.display());
        warnings.push(format!(
            "{file} can be replaced by anybody on this machine: `chmod o-w {folder}`, the folder in which it is"
        ));
    }
    Ok(warnings)
}

fn judge(used: &Used, mode: u32, owner: u32, own: u32) -> Result<Vec<String>, String> {
    let file = used.path().display();
    let mut warnings = Vec::new();
    // Devices and pipes, such as /dev/stdin, are everybody's and hold nothing.
    if mode & KIND == REGULAR {
        if mode & BY_ANYBODY != 0 {
            return Err(format!("{file} can be written by anybody on this machine: `chmod o-w {file}`"));
        }
        if mode & FOR_ANYBODY != 0 && matches!(used, Used::Secret(_)) {
            warnings.push(format!(
                "{file} holds a secret that anybody on this machine can read: `chmod o-r {file}`"
            ));
        }
    }
    if owner != own && owner != 0 {
        warnings.push(format!(
            "{file} belongs to another user (uid {owner}), who can change it: `chown {own} {file}` if that is not meant"
        ));
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Proves that a file which anybody can write is refused, that another user's and a secret that anybody can read are worth a
    /// word, and that one's own and root's are not (case 146).
    #[test]
    fn case_146_files_of_others_are_noticed() {
        let [decides, secret] = [Used::Decides("f".into()), Used::Secret("f".into())];
        for (used, mode, owner, expected) in [
            (&decides, REGULAR | 0o600, 1000, Ok(0)),
            (&decides, REGULAR | 0o644, 0, Ok(0)),
            (&decides, REGULAR | 0o660, 1000, Ok(0)),
            (&decides, REGULAR | 0o666, 1000, Err(())),
            (&decides, REGULAR | 0o602, 0, Err(())),
            (&decides, REGULAR | 0o600, 1001, Ok(1)),
            (&decides, 0o020_666, 0, Ok(0)),
            (&secret, REGULAR | 0o640, 1000, Ok(0)),
            (&secret, REGULAR | 0o644, 1000, Ok(1)),
            (&secret, REGULAR | 0o644, 1001, Ok(2)),
            (&secret, REGULAR | 0o622, 1000, Err(())),
            (&secret, 0o020_666, 0, Ok(0)),
        ] {
            let judged = judge(used, mode, owner, 1000).map(|warnings| warnings.len()).map_err(drop);
            assert_eq!(judged, expected, "{used:?} {mode:o} {owner}");
        }
    }

    /// Proves that a folder in which anybody can put another file in this one's place is worth a word, and one in which only the
    /// owner of a file can is not (case 146).
    #[test]
    fn case_146_a_folder_of_everybodys_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        for (mode, expected) in [(0o700, 0), (0o755, 0), (0o777, 1), (0o1777, 0)] {
            fs::set_permissions(folder.path(), PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(check(&Used::Decides(file.clone())).unwrap().len(), expected, "{mode:o}");
        }
    }
}
