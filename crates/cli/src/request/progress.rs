use crate::console::{Stream, draw};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often the bar is drawn.
const TICK: Duration = Duration::from_millis(200);
/// A length that is not known.
pub(crate) const UNKNOWN: u64 = u64::MAX;

/// How far both bodies have come.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub uploaded: AtomicU64,
    pub upload_length: AtomicU64,
    pub downloaded: AtomicU64,
    pub download_length: AtomicU64,
}

impl Default for Transfer {
    fn default() -> Self {
        Self {
            uploaded: AtomicU64::new(0),
            upload_length: AtomicU64::new(UNKNOWN),
            downloaded: AtomicU64::new(0),
            download_length: AtomicU64::new(UNKNOWN),
        }
    }
}

/// A progress bar on stderr, drawn by a thread of its own until it is dropped.
pub(crate) struct Progress {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Draws a bar for `transfer` if stderr is a terminal. The first is drawn after a moment: a short transfer has none.
    pub fn start(transfer: Arc<Transfer>) -> Self {
        let terminal = Stream::Err.terminal();
        if !terminal.is_terminal {
            return Self { stop: None, thread: None };
        }
        let (stop, stopped) = sync_channel(1);
        let thread = thread::spawn(move || {
            let started = Instant::now();
            let mut drawn = false;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                let line = line(&transfer, started.elapsed(), terminal.width - 1);
                drawn |= !line.is_empty();
                let _ = draw(Stream::Err, format!("\r{line}\x1b[K"));
            }
            if drawn {
                let _ = draw(Stream::Err, "\r\x1b[K");
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn line(transfer: &Transfer, elapsed: Duration, width: usize) -> String {
    let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let (downloaded, uploaded) = (read(&transfer.downloaded), read(&transfer.uploaded));
    let (arrow, done, length) = match (downloaded, uploaded) {
        (0, 0) => return String::new(),
        (0, _) => ("↑", uploaded, read(&transfer.upload_length)),
        _ => ("↓", downloaded, read(&transfer.download_length)),
    };
    let speed = (done as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
    if length == UNKNOWN || length == 0 {
        return fit(
            format!("{arrow} {}  {}/s  {}", size(done), size(speed), clock(elapsed.as_secs())),
            width,
        );
    }
    let part = (done as f64 / length as f64).min(1.0);
    let left = length.saturating_sub(done).checked_div(speed).map_or_else(|| "--:--".into(), clock);
    let text = format!(
        "{arrow} {:3.0}% {} of {}  {}/s  {left} left ",
        part * 100.0,
        size(done),
        size(length),
        size(speed)
    );
    let room = width.saturating_sub(text.chars().count()).min(40);
    let bar = if room < 4 { String::new() } else { bar(part, room) };
    fit(format!("{text}{bar}"), width)
}

fn bar(part: f64, width: usize) -> String {
    let full = ((width - 2) as f64 * part) as usize;
    format!("[{}{}]", "=".repeat(full), " ".repeat(width - 2 - full))
}

fn fit(text: String, width: usize) -> String {
    text.chars().take(width).collect()
}

/// Bytes for people: three digits or so, in powers of 1,024.
pub(crate) fn size(bytes: u64) -> String {
    let mut number = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if number < 1000.0 || unit == "TiB" {
            return if unit == "B" || number >= 99.95 {
                format!("{number:.0} {unit}")
            } else {
                format!("{number:.1} {unit}")
            };
        }
        number /= 1024.0;
    }
    unreachable!("the last unit returns")
}

fn clock(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves what the bar shows for a known length, an unknown one, an upload, and that it fits the terminal.
    #[test]
    fn the_bar_shows_what_is_known_and_fits() {
        let transfer = Transfer::default();
        let second = Duration::from_secs(1);
        assert_eq!(line(&transfer, second, 79), "");
        transfer.uploaded.store(2048, Ordering::Relaxed);
        assert_eq!(line(&transfer, second, 79), "↑ 2.0 KiB  2.0 KiB/s  0:01");
        transfer.downloaded.store(1 << 20, Ordering::Relaxed);
        transfer.download_length.store(4 << 20, Ordering::Relaxed);
        assert_eq!(
            line(&transfer, second, 60),
            "↓  25% 1.0 MiB of 4.0 MiB  1.0 MiB/s  0:03 left [==        ]"
        );
        assert_eq!(line(&transfer, second, 10).chars().count(), 10);
    }

    /// Proves how sizes and times are written.
    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(
            [0, 999, 1000, 1 << 20, 150 << 20, u64::MAX].map(size),
            ["0 B", "999 B", "1.0 KiB", "1.0 MiB", "150 MiB", "16777216 TiB"]
        );
        assert_eq!([0, 61, 3661].map(clock), ["0:00", "1:01", "1:01:01"]);
    }
}
