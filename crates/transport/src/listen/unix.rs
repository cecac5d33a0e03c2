use crate::Peer;
use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};
use tokio::net::{UnixListener, UnixStream};

/// A Unix socket in the file system, which goes when this does.
#[derive(Debug)]
pub(super) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file: another that has taken its place is none of ours.
    file: (u64, u64),
    users: Vec<u32>,
}

impl UnixSocket {
    pub async fn bind(path: &Path, allowed_users: Vec<u32>) -> io::Result<Self> {
        make_room(path).await?;
        let listener = UnixListener::bind(path)?;
        let metadata = fs::symlink_metadata(path)?;
        let file = (metadata.dev(), metadata.ino());
        // Others who get in before this are turned away by what the kernel says of them.
        let mode = if allowed_users.is_empty() { 0o600 } else { 0o666 };
        let mut users = allowed_users;
        users.push(rustix::process::geteuid().as_raw());
        let socket = Self { listener, path: path.to_owned(), file, users };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        Ok(socket)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection, who it is, and whether that user may connect.
    pub async fn accept(&self) -> io::Result<(UnixStream, Peer, bool)> {
        let (stream, _) = self.listener.accept().await?;
        let credentials = stream.peer_cred()?;
        let peer = Peer::Unix { uid: credentials.uid(), pid: credentials.pid() };
        let welcome = self.users.contains(&credentials.uid());
        Ok((stream, peer, welcome))
    }
}

/// Removes what a listener has left behind that is no more.
async fn make_room(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody listens there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.file);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}
