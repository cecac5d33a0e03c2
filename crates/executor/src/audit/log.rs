use super::{
    Audit, AuditEvent, FileSink, TracingAudit,
    journal::Journal,
    line::{line, lost},
};
use std::{
    fmt,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

/// Lines that wait while the sink does not take them.
const QUEUED: usize = 8192;
/// How long the end waits for the last lines, and reopening for those before it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a sink that has lost lines is tried again when there is nothing new to say.
const AGAIN: Duration = Duration::from_secs(1);

/// Writes each event as a line of JSON to a writer, a file or the system's journal.
///
/// It never blocks whoever records: lines wait in a queue of 8,192 for a thread that writes them. Lines that do not fit,
/// and lines that the sink does not take, are lost and counted; the count is a line of its own (`"event":"lost"`) as soon
/// as the sink takes lines again.
pub struct AuditLog {
    jobs: SyncSender<Job>,
    lost: Arc<AtomicU64>,
}

/// Where lines go. May block.
pub(super) trait Sink: Send + 'static {
    /// Takes one line, with its end.
    fn write(&mut self, line: &[u8]) -> io::Result<()>;

    /// Opens it anew.
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Job {
    Line(Vec<u8>),
    Reopen(SyncSender<io::Result<()>>),
    Finish(SyncSender<()>),
}

/// Anything that takes bytes: standard error, say.
struct Plain<W>(W);

impl<W: Write + Send + 'static> Sink for Plain<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.0.write_all(line).and_then(|()| self.0.flush())
    }
}

/// A journal that could not be opened is tried again with each line.
struct LateJournal(Option<Journal>);

impl Sink for LateJournal {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let journal = match self.0.take() {
            Some(journal) => journal,
            None => Journal::open()?,
        };
        self.0.insert(journal).write(line)
    }
}

impl AuditLog {
    /// To anything that takes bytes, such as standard error. It may block: it is written from a thread of its own.
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        Self::start(Plain(writer), QUEUED)
    }

    /// To a file.
    pub fn to_file(file: FileSink) -> Self {
        Self::start(file, QUEUED)
    }

    /// To journald, by its native protocol.
    pub fn to_journald() -> Self {
        Self::start(LateJournal(None), QUEUED)
    }

    fn start(sink: impl Sink, queued: usize) -> Self {
        let (jobs, queue) = sync_channel(queued);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer { sink, lost: lost.clone(), broken: false };
        // It ends with the queue, when the last sender does.
        thread::spawn(move || writer.run(&queue));
        Self { jobs, lost }
    }

    /// Opens a file anew, as after it was moved away, once what was recorded before is written. Blocks, for a second at most.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, in which case the old one is kept, or the sink is blocked.
    pub fn reopen(&self) -> Result<(), String> {
        let blocked = || "it takes no lines at present".to_owned();
        let (done, opened) = sync_channel(1);
        self.jobs.try_send(Job::Reopen(done)).map_err(|_| blocked())?;
        opened.recv_timeout(PATIENCE).map_err(|_| blocked())?.map_err(|error| error.to_string())
    }

    /// Waits until what was recorded before is written; a second at most.
    pub fn finish(&self) {
        let (done, written) = sync_channel(1);
        if self.jobs.try_send(Job::Finish(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }

    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

impl Audit for AuditLog {
    fn record(&self, event: &AuditEvent<'_>) {
        if self.jobs.try_send(Job::Line(line(event))).is_err() {
            self.lose();
        }
        // Who looks for a connection, or waits for a change to count, looks at the log.
        TracingAudit.record(event);
    }

    fn wants_requests(&self) -> bool {
        true
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("lost", &self.lost).finish_non_exhaustive()
    }
}

struct Writer<S> {
    sink: S,
    lost: Arc<AtomicU64>,
    broken: bool,
}

impl<S: Sink> Writer<S> {
    fn run(mut self, queue: &Receiver<Job>) {
        loop {
            match queue.recv_timeout(AGAIN) {
                Ok(Job::Line(line)) => {
                    if !self.own_up() || !self.write(&line) {
                        self.lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok(Job::Reopen(done)) => drop(done.try_send(self.sink.reopen())),
                Ok(Job::Finish(done)) => {
                    self.own_up();
                    let _ = done.try_send(());
                }
                Err(RecvTimeoutError::Timeout) => drop(self.own_up()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Says how many lines were lost, if any were. Returns whether nothing is left to be said.
    fn own_up(&mut self) -> bool {
        let lines = self.lost.swap(0, Ordering::Relaxed);
        let said = lines == 0 || self.write(&lost(lines));
        if !said {
            self.lost.fetch_add(lines, Ordering::Relaxed);
        }
        said
    }

    fn write(&mut self, line: &[u8]) -> bool {
        let written = self.sink.write(line);
        match &written {
            Err(error) if !self.broken => {
                tracing::error!(%error, "the audit cannot be written: lines are lost")
            }
            Ok(()) if self.broken => tracing::warn!("the audit can be written again"),
            _ => {}
        }
        self.broken = written.is_err();
        !self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::sync::{Mutex, mpsc};

    /// A sink that says when it is asked, and then waits to be told how it goes.
    struct Gate {
        asked: mpsc::Sender<()>,
        goes: mpsc::Receiver<bool>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Sink for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<()> {
            let _ = self.asked.send(());
            if !self.goes.recv().unwrap_or(true) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.taken.lock().unwrap().extend_from_slice(line);
            Ok(())
        }
    }

    fn record(log: &AuditLog, what: &str) {
        log.record(&AuditEvent::Reloaded { what, error: None });
    }

    fn lines(taken: &Mutex<Vec<u8>>) -> Vec<String> {
        let taken = taken.lock().unwrap();
        let lines = std::str::from_utf8(&taken).unwrap().lines();
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|line| match line["event"].as_str() {
                Some("lost") => format!("lost {}", line["lines"]),
                _ => line["what"].as_str().unwrap().to_owned(),
            })
            .collect()
    }

    /// Proves that a sink that is blocked holds up nobody: what does not fit the queue is counted, and the count is written
    /// as soon as the sink takes lines again, before those that waited.
    #[test]
    fn case_110_a_blocked_sink_holds_up_nobody_and_losses_are_counted() {
        let (asked, is_asked) = mpsc::channel();
        let (go, goes) = mpsc::channel();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let log = AuditLog::start(Gate { asked, goes, taken: taken.clone() }, 2);
        record(&log, "first");
        is_asked.recv().unwrap();
        for what in ["second", "third", "lost", "lost", "lost"] {
            record(&log, what);
        }
        assert!(log.reopen().is_err(), "it waits for nothing either");
        drop(go);
        for _ in 0..3 {
            is_asked.recv().unwrap();
        }
        log.finish();
        assert_eq!(lines(&taken), ["first", "lost 3", "second", "third"]);
    }

    /// Proves that lines which a full disk does not take are counted, and that the count is written once it takes lines
    /// again, also when nothing new is recorded.
    #[test]
    fn case_110_lines_that_a_full_disk_refuses_are_counted() {
        let (asked, _is_asked) = mpsc::channel();
        let (go, goes) = mpsc::channel();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let log = AuditLog::start(Gate { asked, goes, taken: taken.clone() }, 8);
        // The line; then, with each of the next two, the count of those before.
        for _ in 0..3 {
            go.send(false).unwrap();
            record(&log, "refused");
        }
        drop(go);
        log.finish();
        assert_eq!(lines(&taken), ["lost 3"]);
        record(&log, "taken");
        log.finish();
        assert_eq!(lines(&taken), ["lost 3", "taken"]);
    }
}
