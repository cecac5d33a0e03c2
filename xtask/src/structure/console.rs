//! Nothing is written to the user's terminal but by the console of the command, which cleans what peers said.

use crate::{Result, run};
use std::fs;

/// Where the terminal is written to.
const CONSOLE: &str = "crates/cli/src/console";

/// The protocol over standard input and output: another program reads it.
const WIRE: &str = "crates/transport/src/stdio/";

/// Crates that are for tests alone.
const FOR_TESTS: [&str; 2] = ["crates/testkit/", "crates/conformance/"];

/// What writes to standard output or standard error, or leads there.
const WRITES: [&str; 10] = [
    "print!(",
    "println!(",
    "eprint!(",
    "eprintln!(",
    "dbg!(",
    "stdout()",
    "stderr()",
    "io::stdout",
    "io::stderr",
    "/dev/tty",
];

/// What breaks this rule, in the source files that Git knows.
pub fn breaches() -> Result<Vec<String>> {
    let known = run::output(run::program("git", "ls-files -z --cached --others --exclude-standard crates"))?;
    let mut breaches = Vec::new();
    for name in known.split_terminator('\0').filter(|name| is_watched(name)) {
        let Ok(text) = fs::read_to_string(run::root().join(name)) else { continue };
        breaches.extend(breaches_in(name, &text));
    }
    Ok(breaches)
}

fn is_watched(name: &str) -> bool {
    let mut parts = name.split('/');
    let is_source = parts.nth(2) == Some("src") && name.ends_with(".rs") && !name.ends_with("/tests.rs");
    is_source
        && !name.starts_with(CONSOLE)
        && !name.starts_with(WIRE)
        && !FOR_TESTS.iter().any(|tests| name.starts_with(tests))
}

fn breaches_in(name: &str, text: &str) -> Vec<String> {
    // A file's tests stand at its end.
    let code = (1..).zip(text.lines()).take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    let code = code.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter_map(|(number, line)| {
        let found = WRITES.iter().find(|word| says(line, word))?;
        Some(format!(
            "{name}:{number}: `{found}` goes around the console ({CONSOLE}.rs), which cleans what peers said"
        ))
    })
    .collect()
}

/// Tells whether a line holds this word, and not only another one that ends like it.
fn says(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that what writes to a terminal is found in code, and that tests, comments and other uses of the words are not
    /// taken for it (case 163).
    #[test]
    fn writes_around_the_console_are_found() {
        for line in [
            "    println!(\"{x}\");",
            "eprint!(\"x\")",
            "std::io::stderr().write_all(b\"\")",
            "use std::io::stdout;",
            "tokio::io::stdout()",
            "File::open(\"/dev/tty\")",
        ] {
            assert_eq!(breaches_in("a.rs", line).len(), 1, "{line}");
        }
        for text in [
            "/// let x = println!(x);",
            "note!(x)",
            "#[cfg(test)]\nmod tests { println!() }",
            "fingerprint(x)",
            "error.use_stderr()",
        ] {
            assert_eq!(breaches_in("a.rs", text), [""; 0], "{text}");
        }
    }

    /// Proves which files are watched.
    #[test]
    fn sources_of_every_crate_but_the_console_are_watched() {
        for name in ["crates/cli/src/start.rs", "crates/gateway/src/a/b.rs"] {
            assert!(is_watched(name), "{name}");
        }
        for name in [
            "crates/cli/src/console/clean.rs",
            "crates/cli/tests/it/main.rs",
            "crates/testkit/src/lib.rs",
            "crates/transport/src/stdio/mod.rs",
        ] {
            assert!(!is_watched(name), "{name}");
        }
    }
}
