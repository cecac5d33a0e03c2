use super::LogFormat;
use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait while the sink does not take them.
const QUEUED_LINES: usize = 4096;
/// How long the end of the process waits for the last lines.
const LAST_WAIT: Duration = Duration::from_millis(250);

/// A thread that writes lines to a sink, and the queue before it.
pub(super) struct Writer {
    handle: Handle,
    thread: thread::JoinHandle<()>,
}

/// Puts lines into the queue; never waits.
#[derive(Clone)]
pub(super) struct Handle {
    lines: SyncSender<Option<Vec<u8>>>,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    pub fn start(sink: impl Write + Send + 'static, format: LogFormat) -> Self {
        Self::with_capacity(sink, format, QUEUED_LINES)
    }

    fn with_capacity(sink: impl Write + Send + 'static, format: LogFormat, capacity: usize) -> Self {
        let (lines, queue) = sync_channel(capacity);
        let dropped = Arc::new(AtomicU64::new(0));
        let handle = Handle { lines, dropped: dropped.clone() };
        let thread = thread::spawn(move || write_all(&queue, sink, format, &dropped));
        Self { handle, thread }
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Writes what is queued, as long as the sink takes it.
    pub fn finish(self) {
        let deadline = Instant::now() + LAST_WAIT;
        while self.handle.lines.try_send(None).is_err()
            && Instant::now() < deadline
            && !self.thread.is_finished()
        {
            thread::sleep(Duration::from_millis(1));
        }
        while !self.thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn write_all(
    queue: &Receiver<Option<Vec<u8>>>,
    mut sink: impl Write,
    format: LogFormat,
    dropped: &AtomicU64,
) {
    while let Ok(Some(line)) = queue.recv() {
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = match format {
                LogFormat::Text => writeln!(sink, "{lost} log lines were dropped: nobody read them"),
                LogFormat::Json => writeln!(
                    sink,
                    r#"{{"level":"WARN","target":"afield","fields":{{"message":"log lines were dropped: nobody read them","lines":{lost}}}}}"#
                ),
            };
        }
        // A log that cannot be written is no reason to stop: the reader may come back.
        let _ = sink.write_all(&line).and_then(|()| sink.flush());
    }
}

impl<'a> MakeWriter<'a> for Handle {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Handle {
    /// The formatter hands over one whole event a call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.try_send(Some(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, mpsc};

    /// A sink that takes nothing until it is let.
    struct Gate {
        open: mpsc::Receiver<()>,
        entered: mpsc::Sender<()>,
        text: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.entered.send(());
            let _ = self.open.recv();
            self.text.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Proves that a log sink nobody reads never holds up who logs: what does not fit is dropped, and the number of
    /// dropped lines is written once the sink is read again.
    #[test]
    fn case_110_a_blocked_sink_drops_and_counts_lines() {
        let text = Arc::new(Mutex::new(Vec::new()));
        let (opener, open) = mpsc::channel();
        let (entered, blocked) = mpsc::channel();
        let writer = Writer::with_capacity(Gate { open, entered, text: text.clone() }, LogFormat::Text, 2);
        let mut handle = writer.handle();
        handle.write_all(b"first\n").unwrap();
        blocked.recv().unwrap();
        for _ in 0..12 {
            handle.write_all(b"more\n").unwrap();
        }
        drop(opener);
        drop(handle);
        let Writer { handle, thread } = writer;
        drop(handle);
        thread.join().unwrap();
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "first\n10 log lines were dropped: nobody read them\nmore\nmore\n");
    }
}
