use afield_exchange::{Budget, Limits};
use std::{fmt, fs};

/// What `afield serve` takes besides what it keeps for its principals: itself, and its threads.
const ITSELF: u64 = 32 << 20;

/// What limits mean for the memory of a machine.
pub(crate) struct Memory {
    kept: u64,
    one: u64,
    part: u64,
    shares: usize,
    machine: Option<u64>,
}

impl Memory {
    /// For a machine with so many bytes, or else for this one.
    pub fn of(limits: &Limits, machine: Option<u64>) -> Self {
        let one = Budget::new(limits.kept_bytes, limits.shares).most();
        Self {
            kept: limits.kept_bytes as u64,
            one: one as u64,
            part: (limits.kept_bytes / 2 / limits.shares.max(1)) as u64,
            shares: limits.shares,
            machine: machine.or_else(of_this_machine),
        }
    }

    /// What the process may come to take.
    fn most(&self) -> u64 {
        ITSELF.max(self.kept / 5) + self.kept
    }

    /// What to set where the machine has not enough.
    pub fn problem(&self) -> Option<(String, String)> {
        let machine = self.machine.filter(|machine| self.most() > *machine)?;
        let fitting = (machine.saturating_sub(ITSELF) * 3 / 5).max(1 << 20) >> 20;
        Some((
            format!(
                "`afield serve` may take {} of memory, and the machine has {}: the system would end it",
                size(self.most()),
                size(machine)
            ),
            format!("set limits.kept_bytes = \"{fitting}M\", or less if other programs run there too"),
        ))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, one, part, shares, machine } = self;
        write!(
            f,
            "memory: up to {} are kept for principals, {} for one of several at most, {} for each of the first {shares} in any \
             case; the process takes up to {}",
            size(*kept),
            size(*one),
            size(*part),
            size(self.most())
        )?;
        match machine {
            Some(machine) => write!(f, " of the machine's {}", size(*machine)),
            None => Ok(()),
        }
    }
}

/// In whole mebibytes, as the configuration takes them.
fn size(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{}K", bytes >> 10),
        mebibytes => format!("{mebibytes}M"),
    }
}

/// What this process can have: what the machine has, or less where it is in a control group with a limit.
fn of_this_machine() -> Option<u64> {
    let total = fs::read_to_string("/proc/meminfo").ok()?;
    let total = total.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let total = total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10;
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|limit| limit.trim().parse().ok());
    Some(group.map_or(total, |group: u64| group.min(total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a machine that has too little is told what would fit, and one that has enough is told nothing.
    #[test]
    fn memory_that_does_not_fit_is_told_with_what_would() {
        let limits = Limits::default();
        assert!(Memory::of(&limits, Some(1 << 30)).problem().is_none());
        let small = Memory::of(&limits, Some(512 << 20));
        let (what, fix) = small.problem().unwrap();
        assert!(what.contains("614M") && what.contains("512M") && fix.contains("\"288M\""), "{what} {fix}");
        assert!(
            small.to_string().contains("288M for one of several at most, 32M for each of the first 8"),
            "{small}"
        );
        let fitting = Limits { kept_bytes: 288 << 20, ..limits };
        assert!(Memory::of(&fitting, Some(512 << 20)).problem().is_none());
    }
}
