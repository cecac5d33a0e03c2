use super::log::Sink;
use std::{io, os::unix::net::UnixDatagram, path::PathBuf, time::Duration};

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// How long a journal that does not take a line is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends lines to the system's journal, by its native protocol: a datagram for each, of fields a line each. Nothing in a
/// line of JSON needs the protocol's other form, which is for values with line ends.
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    pub fn open() -> io::Result<Self> {
        Self::at(SOCKET.into())
    }

    fn at(path: PathBuf) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, path })
    }
}

impl Sink for Journal {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let fields: &[u8] = b"PRIORITY=6\nSYSLOG_IDENTIFIER=afield\nMESSAGE=";
        // Addressed anew each time: journald may have been restarted.
        self.socket.send_to(&[fields, line].concat(), &self.path).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a line reaches a journal's socket as its protocol has it, that a journal that is gone is an error, and that
    /// one that comes back is written to again.
    #[test]
    fn lines_reach_the_journal_as_datagrams() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let mut journal = Journal::at(path.clone()).unwrap();
        assert!(journal.write(b"{}\n").is_err());
        for _ in 0..2 {
            let listener = UnixDatagram::bind(&path).unwrap();
            journal.write(b"{\"event\":\"admitted\"}\n").unwrap();
            let mut buffer = [0; 256];
            let read = listener.recv(&mut buffer).unwrap();
            let expected: &[u8] = b"PRIORITY=6\nSYSLOG_IDENTIFIER=afield\nMESSAGE={\"event\":\"admitted\"}\n";
            assert_eq!(&buffer[..read], expected);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
