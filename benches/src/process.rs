//! What the kernel says a process has used (Linux, `/proc`).

use crate::Result;
use std::{fs, time::Duration};

/// A process's use of the machine at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time of all its threads, also of those that ended. In steps of 10 ms.
    pub cpu: Duration,
    /// Resident memory in bytes, mapped files included.
    pub resident: u64,
    /// Resident memory in bytes that no file backs: heap and stacks.
    pub anonymous: u64,
}

/// `sysconf(_SC_CLK_TCK)`: 100 on every Linux this runs on.
const TICKS_PER_SECOND: u64 = 100;

impl Usage {
    /// Of the process `pid`.
    pub fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let ticks = cpu_ticks(&stat).ok_or("/proc/PID/stat is not as expected")?;
        let kib = |name| field_kib(&status, name).ok_or("/proc/PID/status is not as expected");
        Ok(Self {
            cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
            resident: kib("VmRSS:")? * 1024,
            anonymous: kib("RssAnon:")? * 1024,
        })
    }
}

/// `utime + stime`, fields 14 and 15. The second field, the command's name, may hold spaces and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn field_kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a process name with spaces and parentheses does not shift the fields.
    #[test]
    fn cpu_time_is_read_past_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_ticks(stat), Some(42));
    }
}
