use std::fs;
use std::io;
use std::time::Duration;

/// What a process uses, as the system accounts for it in `/proc` (Linux).
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pid: u32,
}

impl Usage {
    /// Of the process with this id.
    pub fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// Of this process.
    pub fn own() -> Self {
        Self::of(std::process::id())
    }

    /// The memory it holds now, in bytes.
    ///
    /// # Errors
    ///
    /// When the process is gone, or the system has no `/proc`.
    pub fn rss_bytes(&self) -> io::Result<u64> {
        Ok(self.status("VmRSS:")? * 1024)
    }

    /// The most memory it ever held, in bytes.
    ///
    /// # Errors
    ///
    /// As [`rss_bytes`](Self::rss_bytes).
    pub fn peak_rss_bytes(&self) -> io::Result<u64> {
        Ok(self.status("VmHWM:")? * 1024)
    }

    /// How many threads it has.
    ///
    /// # Errors
    ///
    /// As [`rss_bytes`](Self::rss_bytes).
    pub fn threads(&self) -> io::Result<u64> {
        self.status("Threads:")
    }

    /// How long its threads have run, in the program and in the system, to a hundredth of a second.
    ///
    /// # Errors
    ///
    /// As [`rss_bytes`](Self::rss_bytes).
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The second field is the program's name in parentheses, which may hold anything.
        let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        let ticks = |field: usize| after_name.split_whitespace().nth(field - 3)?.parse::<u64>().ok();
        let (user, system) =
            ticks(14).zip(ticks(15)).ok_or_else(|| io::Error::other("/proc/PID/stat has no times"))?;
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64((user + system) as f64 / per_second as f64))
    }

    /// How many files and sockets it has open.
    ///
    /// # Errors
    ///
    /// As [`rss_bytes`](Self::rss_bytes).
    pub fn open_fds(&self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid))?.count())
    }

    fn status(&self, field: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("/proc/PID/status has no {field}")))
    }
}
