use afield_exchange::{Budget, Limits};
use afield_executor::REQUEST_BYTES;
use std::{fmt, fs};

/// What `afield serve` takes besides what it keeps for its principals, at least: itself, its threads, and large blocks that the
/// allocator has not given back yet.
const ITSELF: u64 = 128 << 20;

/// What a principal cannot do with less: a connection, and a small request on it.
const LEAST: usize = 128 << 10;

/// What limits mean for the memory of a machine, and for each of those who share it.
pub(crate) struct Memory {
    kept: u64,
    shares: usize,
    divided: [Divided; 5],
    machine: Option<u64>,
}

/// One of the limits that principals share.
struct Divided {
    key: &'static str,
    /// What it is of, as it is counted; memory is not.
    of: Option<&'static str>,
    budget: Budget,
    /// Below that a part is nothing.
    least: usize,
}

impl Memory {
    /// For a machine with so many bytes, or else for this one.
    pub fn of(limits: &Limits, machine: Option<u64>) -> Self {
        let divided = |key, of, total, least| {
            let budget = Budget::new(total, limits.shares);
            Divided { key, of, budget, least }
        };
        Self {
            kept: limits.kept_bytes as u64,
            shares: limits.shares,
            divided: [
                divided("kept_bytes", None, limits.kept_bytes, LEAST),
                divided("connections", Some("connections"), limits.connections, 1),
                divided("sessions", Some("sessions"), limits.sessions, 1),
                divided("requests", Some("requests"), limits.requests, 1),
                divided("idle_connections", Some("unused connections"), limits.idle_connections, 0),
            ],
            machine: machine.or_else(of_this_machine),
        }
    }

    /// What the process may come to take.
    fn most(&self) -> u64 {
        ITSELF.max(self.kept / 5) + self.kept
    }

    /// What is not as it should be, and what to set.
    pub fn problems(&self) -> Vec<(String, String)> {
        self.too_much().into_iter().chain(self.too_little()).collect()
    }

    /// The machine has not enough.
    fn too_much(&self) -> Option<(String, String)> {
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

    /// Parts that are too small to be any: then whoever comes first may keep the others out.
    fn too_little(&self) -> impl Iterator<Item = (String, String)> {
        let shares = self.shares;
        self.divided.iter().filter(move |one| shares > 1 && one.budget.part() < one.least).map(move |one| {
            let Divided { key, of, budget, least } = one;
            let least = least.saturating_mul(2 * shares);
            let (total, enough) = match of {
                Some(_) => (budget.total().to_string(), least.to_string()),
                None => (size(budget.total() as u64), format!("\"{}M\"", least.div_ceil(1 << 20))),
            };
            (
                format!(
                    "limits.{key} = {total} is too little to keep back a part for each of limits.shares = {shares} principals: \
                     one of them may keep others out"
                ),
                format!("set limits.{key} = {enough} or more"),
            )
        })
    }

    /// Some of each limit, by name. Of requests there are no more than memory lets through.
    fn list(&self, amount: impl Fn(&Budget) -> usize) -> String {
        let most = amount(&self.divided[0].budget) / REQUEST_BYTES;
        let amount = |key: &str, budget: &Budget| match key {
            "requests" => amount(budget).min(most),
            _ => amount(budget),
        };
        let all: Vec<_> = self
            .divided
            .iter()
            .map(|Divided { key, of, budget, .. }| match of {
                Some(of) => format!("{} {of}", amount(key, budget)),
                None => size(amount(key, budget) as u64),
            })
            .collect();
        all.join(", ")
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "memory: up to {} are kept for principals; the process takes up to {}",
            size(self.kept),
            size(self.most())
        )?;
        if let Some(machine) = self.machine {
            write!(f, " of the machine's {}", size(machine))?;
        }
        write!(
            f,
            "\nshares: for each of the first {} principals in any case {}; for one of several at most {}",
            self.shares,
            self.list(Budget::part),
            self.list(Budget::most)
        )
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
        assert!(Memory::of(&limits, Some(1 << 30)).problems().is_empty());
        let small = Memory::of(&limits, Some(512 << 20));
        let [(what, fix)] = &small.problems()[..] else { panic!("one problem") };
        assert!(what.contains("640M") && what.contains("512M") && fix.contains("\"230M\""), "{what} {fix}");
        let fitting = Limits { kept_bytes: 230 << 20, ..limits };
        assert!(Memory::of(&fitting, Some(512 << 20)).problems().is_empty());
    }

    /// Proves that what each principal has in any case, and what one may have, is said of everything that is shared.
    #[test]
    fn shares_are_told_of_everything_that_is_shared() {
        let said = Memory::of(&Limits::default(), Some(512 << 20)).to_string();
        let part = "32M, 64 connections, 64 sessions, 512 requests, 256 unused connections";
        let most = "288M, 576 connections, 576 sessions, 4608 requests, 2304 unused connections";
        assert!(said.contains(&format!("each of the first 8 principals in any case {part}")), "{said}");
        assert!(said.contains(&format!("for one of several at most {most}")), "{said}");
    }

    /// Proves that limits which leave nothing for each of so many principals are told, each with what would be enough: enough
    /// is told nothing, and neither is one principal alone.
    #[test]
    fn parts_that_are_nothing_are_told_with_what_would_be_enough() {
        let limits = Limits { shares: 1001, kept_bytes: 128 << 20, ..Limits::default() };
        let problems = Memory::of(&limits, Some(1 << 30)).problems();
        let fixes: Vec<_> = problems.iter().map(|(_, fix)| fix.as_str()).collect();
        assert_eq!(
            fixes,
            [
                "set limits.kept_bytes = \"251M\" or more",
                "set limits.connections = 2002 or more",
                "set limits.sessions = 2002 or more"
            ]
        );
        let enough = Limits { kept_bytes: 251 << 20, connections: 2002, sessions: 2002, ..limits };
        assert!(Memory::of(&enough, Some(1 << 30)).problems().is_empty());
        let alone = Limits { shares: 1, connections: 1, sessions: 1, requests: 1, ..Limits::default() };
        assert!(Memory::of(&alone, Some(1 << 30)).problems().is_empty());
    }
}
