//! `cargo xtask fuzz` where no nightly toolchain is installed: `afield-fuzz list`, `afield-fuzz TARGET SECONDS`.
#![forbid(unsafe_code)]

use afield_fuzz::{
    TARGETS,
    smoke::{self, Until},
};
use std::{env, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<(), String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (name, seconds) = match words.as_slice() {
        ["list"] => {
            TARGETS.iter().for_each(|target| println!("{}", target.name));
            return Ok(());
        }
        [name, seconds] => (*name, *seconds),
        _ => return Err("usage: afield-fuzz list | afield-fuzz TARGET SECONDS".to_owned()),
    };
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.ok_or_else(|| format!("no target `{name}`; `afield-fuzz list` names them"))?;
    let seconds = seconds.parse().map_err(|_| format!("`{seconds}` is not a number of seconds"))?;
    let inputs = smoke::run(target, Until::Time(Duration::from_secs(seconds)));
    let inputs = inputs.map_err(|error| format!("cannot read the seeds of {name}: {error}"))?;
    println!("{name}: {inputs} inputs, none broke it");
    Ok(())
}
