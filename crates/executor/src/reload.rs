use crate::audit::{Audit, AuditEvent};
use std::{
    fmt,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{sync::Notify, time::timeout};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// Reads files again when they change: credentials, certificates, policies, secrets. One for the whole executor, which
/// runs it; cheap to clone.
///
/// Whether a file has changed is told by its time, its size and which file it is, looked at every 2 s: a file that is
/// written anew, renamed over, or reached by another symbolic link is noticed alike. [`reload`](Self::reload) reads
/// everything at once, as SIGHUP asks.
#[derive(Clone, Default)]
pub struct Reloader(Arc<Inner>);

#[derive(Default)]
struct Inner {
    watched: Mutex<Vec<Watched>>,
    asked: Notify,
}

struct Watched {
    what: String,
    files: Vec<PathBuf>,
    seen: Vec<Option<Stamp>>,
    /// Whether it could not be read when that was last tried.
    has_failed: bool,
    read: Box<dyn FnMut() -> Result<(), String> + Send>,
}

/// What tells that a file is not what it was.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    file: (u64, u64),
}

/// When files are read again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Changed,
    Always,
}

impl Reloader {
    /// Watches nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has `read` called when any of these files has changed since now, and, once it has failed, when any other that is watched
    /// has. It runs on a thread that may block, and keeps what
    /// there was if it fails. `what` names it for the operator in a word or two.
    pub fn watch(
        &self,
        what: impl Into<String>,
        files: Vec<PathBuf>,
        read: impl FnMut() -> Result<(), String> + Send + 'static,
    ) {
        let seen = stamps(&files);
        let watched = Watched { what: what.into(), files, seen, has_failed: false, read: Box::new(read) };
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
    }

    /// Has everything read again soon, whether it has changed or not.
    pub fn reload(&self) {
        self.0.asked.notify_one();
    }

    /// Watches for ever. Cancel safe: dropping it ends the watch, at the latest when what is being read has been.
    pub(crate) async fn run(&self, audit: Arc<dyn Audit>) {
        loop {
            let when = match timeout(INTERVAL, self.0.asked.notified()).await {
                Ok(()) => When::Always,
                Err(_) => When::Changed,
            };
            let (inner, audit) = (self.0.clone(), audit.clone());
            if tokio::task::spawn_blocking(move || inner.look(when, &*audit)).await.is_err() {
                tracing::error!("reading files again has failed by a defect");
            }
        }
    }
}

impl Inner {
    fn look(&self, when: When, audit: &dyn Audit) {
        let mut all = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before the files are read: what changes while they are is read again.
        let seen: Vec<_> = all.iter().map(|watched| stamps(&watched.files)).collect();
        let any = all.iter().zip(&seen).any(|(watched, seen)| watched.seen != *seen);
        for (watched, seen) in all.iter_mut().zip(seen) {
            // What failed may have failed for want of another's file.
            if when == When::Always || seen != watched.seen || (any && watched.has_failed) {
                watched.seen = seen;
                let read = (watched.read)();
                watched.has_failed = read.is_err();
                let error = read.as_ref().err().map(String::as_str);
                audit.record(&AuditEvent::Reloaded { what: &watched.what, error });
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        let file = (metadata.dev(), metadata.ino());
        Some(Stamp { modified: metadata.modified().ok(), bytes: metadata.len(), file })
    };
    files.iter().map(stamp).collect()
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watched = self.0.watched.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_list().entries(watched.iter().map(|watched| &watched.what)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Audit for Lines {
        fn record(&self, event: &AuditEvent<'_>) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
    }

    /// Proves that a file is read again when it was written, renamed over or removed, and not otherwise; that a failure is
    /// told; and that asking reads what has not changed.
    #[test]
    fn files_are_read_again_when_they_change_or_when_asked() {
        let directory = tempfile::tempdir().unwrap();
        let [file, other] = ["file", "other"].map(|name| directory.path().join(name));
        std::fs::write(&file, "1").unwrap();
        let (reloader, audit, reads) = (Reloader::new(), Lines::default(), Arc::new(AtomicUsize::new(0)));
        let (read, path) = (reads.clone(), file.clone());
        reloader.watch("things", vec![file.clone()], move || {
            read.fetch_add(1, Ordering::SeqCst);
            std::fs::read(&path).map(|_| ()).map_err(|error| error.to_string())
        });
        let look = |when| {
            reloader.0.look(when, &audit);
            reads.load(Ordering::SeqCst)
        };
        assert_eq!(look(When::Changed), 0);
        std::fs::write(&file, "22").unwrap();
        assert_eq!(look(When::Changed), 1);
        assert_eq!(look(When::Changed), 1);
        std::fs::write(&other, "33").unwrap();
        std::fs::rename(&other, &file).unwrap();
        assert_eq!(look(When::Changed), 2);
        assert_eq!(look(When::Always), 3);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(look(When::Changed), 4);
        assert_eq!(look(When::Changed), 4, "a failure is not tried again before something changes");
        reloader.watch("others", vec![other.clone()], || Ok(()));
        std::fs::write(&other, "4").unwrap();
        assert_eq!(look(When::Changed), 5, "a failure is tried again when another's file changes");
        std::fs::write(&file, "5").unwrap();
        assert_eq!(look(When::Changed), 6);
        std::fs::write(&other, "66").unwrap();
        assert_eq!(look(When::Changed), 6, "what did not fail is left alone");
        let told = audit.0.lock().unwrap();
        assert_eq!(told.len(), 8);
        assert!(told[0].contains("things") && told[0].contains("None"), "{told:?}");
        assert!(told[3].contains("No such file"), "{told:?}");
    }
}
