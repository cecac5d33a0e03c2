//! A thousand principals on one executor, without and beside one more that does harm: what it costs the others.
//!
//! Every way of doing harm gets an executor of its own. The others' calls are measured on it before and meanwhile, so that what is
//! compared is a minute apart. Who does harm is a process of its own at the lowest priority, with the origins that it needs: of
//! the machine it takes what nobody else wants, and what is measured is what it takes of the executor.

mod hostile;
mod others;
mod table;

pub use hostile::serve as do_harm;

use crate::{Result, args::Args, load::Call, machine::Facts, origin::Origin, process::Listening};
use afield_testkit::{hostile::Way, pattern, process::Command};
use bytes::Bytes;
use others::{Measured, Others};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// What the others do, and how long.
struct Load {
    principals: usize,
    /// From one call of a principal to its next.
    every: Duration,
    /// How long they are measured.
    time: Duration,
}

const FULL: Load = Load { principals: 1000, every: Duration::from_secs(2), time: Duration::from_secs(20) };
const QUICK: Load = Load { principals: 50, every: Duration::from_millis(250), time: Duration::from_secs(3) };

/// How long harm is done before anything is measured: long enough to have taken what it can get.
const TAKING: Duration = Duration::from_secs(3);

/// What was measured beside one way of doing harm.
struct Beside {
    way: Way,
    without: Measured,
    with: Measured,
}

/// Measures every way that is wanted, or all.
pub async fn run(args: &Args) -> Result<()> {
    let here = std::env::current_exe()?;
    let afield = args.afield.clone().unwrap_or_else(|| here.with_file_name("afield"));
    let scratch = here.ancestors().nth(2).ok_or("this binary lies in no target directory")?.join("bench");
    fs::create_dir_all(&scratch)?;
    let load = if args.quick { QUICK } else { FULL };
    let tokens = Tokens::new(load.principals + 1, &scratch)?;
    let origin = Origin::start(0).await?;
    let call = Call {
        method: "GET",
        url: origin.url("/bytes/1024"),
        body: Bytes::new(),
        streamed: false,
        expect: 1024,
    };
    let mut all = Vec::new();
    for way in Way::ALL {
        if !args.way.is_empty() && !args.way.contains(&way) {
            continue;
        }
        eprintln!("{}", way.name());
        all.push(beside(way, &load, &afield, &tokens, &call).await?);
    }
    println!("{}", table::of(&all, &load, &Facts::read(1, None, None)));
    Ok(())
}

async fn beside(way: Way, load: &Load, afield: &Path, tokens: &Tokens, call: &Call) -> Result<Beside> {
    let executor = Listening::start(executor(afield, load, tokens)).await?;
    let (hostile, others) = tokens.tokens.split_last().ok_or("there are no tokens")?;
    let mut others = Others::connect(&executor, others, call).await?;
    others.run(load, load.time / 4).await?;
    let without = others.run(load, load.time).await?;
    let harm = hostile::start(way, executor.authority(), hostile).await?;
    others.run(load, TAKING).await?;
    let with = others.run(load, load.time).await?;
    drop(harm);
    Ok(Beside { way, without, with })
}

/// `afield serve` as an operator starts it who knows how many principals there are.
fn executor(afield: &Path, load: &Load, tokens: &Tokens) -> Command {
    let mut command = Command::new(afield);
    command.args(["serve", "--listen", "ws://127.0.0.1:0", "--log", "off", "--token-file"]).arg(&tokens.file);
    let shares = load.principals + 1;
    for limit in ["connections", "sessions", "idleConnections"] {
        command.args(["--limit", &format!("{limit}={}", 4 * shares)]);
    }
    command.args(["--limit", &format!("shares={shares}"), "--limit", "graceMs=2000"]);
    command
}

/// A token for each principal, and the file that lets them in.
struct Tokens {
    tokens: Vec<String>,
    file: PathBuf,
}

impl Tokens {
    fn new(count: usize, scratch: &Path) -> Result<Self> {
        let tokens: Vec<_> = (0..count).map(|at| format!("the-token-of-principal-{at}")).collect();
        let mut lines = String::new();
        for (at, token) in tokens.iter().enumerate() {
            writeln!(lines, "p{at} {}", pattern::sha256_of(token))?;
        }
        let file = scratch.join("tokens");
        fs::write(&file, lines)?;
        Ok(Self { tokens, file })
    }
}
