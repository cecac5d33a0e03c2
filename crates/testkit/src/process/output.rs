use crate::task::Owned;
use crate::wait::{PATIENCE, Watched};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// How many bytes of lines are kept; the oldest lines go first.
const KEPT: usize = 4 * 1024 * 1024;
/// A longer line is taken for several.
const LINE: usize = 64 * 1024;

/// The lines a process wrote to one of its outputs: the latest 4 MiB of them.
#[derive(Debug)]
pub struct Output {
    lines: Arc<Watched<Lines>>,
    _reading: Owned,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    bytes: usize,
    dropped: u64,
    ended: bool,
}

impl Output {
    pub(super) fn read(pipe: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let lines = Arc::new(Watched::new(Lines::default()));
        Self { lines: lines.clone(), _reading: Owned::spawn(collect(pipe, lines)) }
    }

    /// Waits for a line that contains `text`, among those written before too, and returns the first.
    ///
    /// # Panics
    ///
    /// When the output ends without one, and after [`PATIENCE`](crate::PATIENCE); it shows what was written.
    #[track_caller]
    pub fn wait_line(&self, text: &str) -> impl Future<Output = String> + '_ {
        let text = text.to_owned();
        self.wait(format!("a line with {text:?} is written"), move |line| {
            line.contains(&text).then(|| line.to_owned())
        })
    }

    /// Waits for the first line in which `look` finds what it looks for, among those written before too.
    ///
    /// # Panics
    ///
    /// As [`wait_line`](Self::wait_line); `what` names the awaited.
    #[track_caller]
    pub fn wait<R>(
        &self,
        what: impl fmt::Display,
        mut look: impl FnMut(&str) -> Option<R>,
    ) -> impl Future<Output = R> {
        let caller = std::panic::Location::caller();
        async move {
            let found = self.lines.until(|lines| match lines.kept.iter().find_map(|line| look(line)) {
                Some(found) => Some(Some(found)),
                None => lines.ended.then_some(None),
            });
            match tokio::time::timeout(PATIENCE, found).await {
                Ok(Some(found)) => found,
                Ok(None) => panic!("the output ended before {what} ({caller}):\n{}", self.text()),
                Err(_) => panic!("waited {PATIENCE:?} in vain until {what} ({caller}):\n{}", self.text()),
            }
        }
    }

    /// Waits until the process has closed this output, and returns its lines.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_end(&self) -> impl Future<Output = String> + '_ {
        let text = async {
            self.lines.until(|lines| lines.ended.then_some(())).await;
            self.text()
        };
        crate::within("the output ends", text)
    }

    /// The lines written so far, those not dropped.
    pub fn text(&self) -> String {
        self.lines.read(|lines| {
            let mut text = match lines.dropped {
                0 => String::new(),
                dropped => format!("[{dropped} earlier lines]\n"),
            };
            for line in &lines.kept {
                text.push_str(line);
                text.push('\n');
            }
            text
        })
    }
}

async fn collect(pipe: impl AsyncRead + Unpin, lines: Arc<Watched<Lines>>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    // A pipe that cannot be read has ended.
    while let Ok(read @ [_, ..]) = pipe.fill_buf().await {
        let (taken, whole) = match read.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (read.len(), line.len() + read.len() >= LINE),
        };
        line.extend_from_slice(&read[..taken]);
        pipe.consume(taken);
        if whole {
            lines.update(|lines| lines.push(&line));
            line.clear();
        }
    }
    lines.update(|lines| {
        if !line.is_empty() {
            lines.push(&line);
        }
        lines.ended = true;
    });
}

impl Lines {
    fn push(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned();
        self.bytes += line.len();
        self.kept.push_back(line);
        while self.bytes > KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.len();
            self.dropped += 1;
        }
    }
}
