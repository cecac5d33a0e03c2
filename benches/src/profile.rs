//! Instructions of the executor for each call, and where they go: under callgrind, which counts what no clock and no
//! other load on the machine disturbs. The kernel's are not among them.

use crate::{
    Result,
    args::Args,
    load::{BaseClient, OwnClient, Stop},
    origin::Origin,
    process::Listening,
    scenario::{Scenario, Size, warm_up},
    subject::Subject,
};
use afield_testkit::process::Command;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How many functions are listed.
const LISTED: usize = 40;

/// Counts every scenario and subject that is wanted; by default buffered calls 32 at a time, in both dialects.
pub async fn run(args: &Args) -> Result<()> {
    let here = std::env::current_exe()?;
    let afield = match &args.afield {
        Some(afield) => afield.clone(),
        None => here.with_file_name("afield"),
    };
    let scratch = here.ancestors().nth(2).ok_or("this binary lies in no target directory")?.join("bench");
    fs::create_dir_all(&scratch)?;
    let scenarios = if args.only.is_empty() { vec![Scenario::BufferedC32] } else { args.scenarios() };
    let origin = Origin::start(0).await?;
    for scenario in scenarios {
        if !scenario.makes_calls() || scenario.growth().is_some() {
            return Err(format!("{} cannot be profiled", scenario.name()).into());
        }
        for subject in [Subject::Afield, Subject::Client] {
            let wanted = args.subject.is_empty() || args.subject.contains(&subject);
            if wanted && scenario.is_for(subject) {
                let calls = calls(scenario, args.quick);
                profile(&afield, scenario, subject, calls, &origin, &scratch).await?;
            }
        }
    }
    Ok(())
}

/// How many calls are counted. A count has no noise to speak of, but warm-up and timers should vanish in it.
fn calls(scenario: Scenario, quick: bool) -> usize {
    match (scenario.is_bulk(), quick) {
        (true, _) => scenario.parallel(),
        (false, true) => 1_000,
        (false, false) => 10_000,
    }
}

async fn profile(
    afield: &Path,
    scenario: Scenario,
    subject: Subject,
    calls: usize,
    origin: &Origin,
    scratch: &Path,
) -> Result<()> {
    let name = format!("callgrind.{}.{}", scenario.name(), subject.name());
    let out = scratch.join(&name);
    for old in dumps(scratch, &name)? {
        fs::remove_file(old)?;
    }
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--fair-sched=try"]);
    command.arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(afield).args(["serve", "--listen", "ws://127.0.0.1:0"]);
    let executor = Listening::start(command).await?;
    // Valgrind takes some fifty times as long.
    let call = scenario.call(origin, Size::QUICK);
    let outcome = if subject == Subject::Client {
        let client = OwnClient::connect(executor.authority()).await?;
        client.run(&call, scenario.parallel(), Stop::Calls(2 * scenario.parallel())).await?;
        control(&executor, "-z")?;
        client.run(&call, scenario.parallel(), Stop::Calls(calls)).await?
    } else {
        let mut client = BaseClient::connect(executor.authority()).await?;
        warm_up(&mut client, scenario, &call, origin, Size::QUICK).await?;
        control(&executor, "-z")?;
        client.run(&call, scenario.parallel(), Stop::Calls(calls)).await?
    };
    control(&executor, "-d")?;
    let dump = dumps(scratch, &name)?.pop().ok_or("callgrind has written nothing")?;
    let total = total(&fs::read_to_string(&dump)?).ok_or("callgrind's output has no total")?;
    println!("{}, {}: {} calls", scenario.title(), subject.name(), calls);
    println!("{:.0} instructions for each call, without the kernel's\n", total / outcome.calls());
    println!("{}\nAll of it: callgrind_annotate {}\n", listing(&dump)?, dump.display());
    Ok(())
}

/// Tells callgrind in the executor's process something.
fn control(executor: &Listening, what: &str) -> Result<()> {
    let mut control = std::process::Command::new("callgrind_control");
    control.args([what, &executor.pid().to_string()]);
    output(control).map(drop)
}

/// What has been dumped, the latest last.
fn dumps(scratch: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let mut dumps = Vec::new();
    for entry in fs::read_dir(scratch)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&format!("{name}.")) {
            dumps.push(entry.path());
        }
    }
    dumps.sort();
    Ok(dumps)
}

/// The number behind `totals:`.
fn total(dump: &str) -> Option<f64> {
    dump.lines().find_map(|line| line.strip_prefix("totals:"))?.trim().parse().ok()
}

/// The functions that cost the most, themselves.
fn listing(dump: &Path) -> Result<String> {
    let mut annotate = std::process::Command::new("callgrind_annotate");
    annotate.args(["--auto=no", "--threshold=100"]).arg(dump);
    let text = output(annotate)?;
    let lines = text
        .lines()
        .skip_while(|line| !line.contains("file:function"))
        // Threads that began before counting did are shown as costing everything themselves.
        .filter(|line| !line.contains("clone.S:clone"))
        .take(LISTED + 2);
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn output(mut command: std::process::Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot run {program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::total;

    /// Proves that the sum of a dump is found.
    #[test]
    fn total_is_read_from_a_dump() {
        assert_eq!(total("# callgrind format\nfn=(1)\n1 2\ntotals: 12345\n"), Some(12345.0));
        assert_eq!(total("fn=(1)\n"), None);
    }
}
