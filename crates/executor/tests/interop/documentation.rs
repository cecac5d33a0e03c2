use crate::behaviours;
use std::{fmt::Write, fs};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/interop.md");
const BEGIN: &str = "<!-- behaviours: written by the test; run it with AFIELD_BLESS=1 -->\n";
const END: &str = "<!-- end of behaviours -->\n";

/// Proves that `docs/interop.md` shows the very list that the executors are tested against. With `AFIELD_BLESS` set it
/// is written instead.
#[test]
fn the_documentation_shows_the_list() {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let list = list();
    if std::env::var_os("AFIELD_BLESS").is_some() {
        fs::write(DOCUMENT, format!("{before}{BEGIN}{list}{END}{after}")).unwrap();
    } else {
        assert!(shown == list, "docs/interop.md is out of date; run this test with AFIELD_BLESS=1");
    }
}

fn list() -> String {
    let mut text = String::from("\n## Where the two differ\n");
    for (title, behaviours) in behaviours::all() {
        let mut rows = String::new();
        for behaviour in &behaviours {
            let Some(difference) = &behaviour.difference else { continue };
            let cells = [behaviour.when, behaviour.afield, difference.reference, difference.why];
            writeln!(rows, "| {} |", cells.map(cell).join(" | ")).unwrap();
        }
        if !rows.is_empty() {
            write!(text, "\n### {title}\n\n| when | afield | reference | why |\n|---|---|---|---|\n{rows}")
                .unwrap();
        }
    }
    text.push_str("\n## Where they are alike\n");
    for (title, behaviours) in behaviours::all() {
        write!(text, "\n### {title}\n\n| when | both |\n|---|---|\n").unwrap();
        for behaviour in behaviours.iter().filter(|behaviour| behaviour.difference.is_none()) {
            writeln!(text, "| {} | {} |", cell(behaviour.when), cell(behaviour.afield)).unwrap();
        }
    }
    text.push('\n');
    text
}

/// Text in a table's cell. A code span that holds a backtick takes two of them as its marks.
fn cell(text: &str) -> String {
    let text = text.replace('|', r"\|");
    match text.split_once("`http/request streamResponse requestId `twice` is already active`") {
        None => text,
        Some((before, after)) => {
            format!("{before}``http/request streamResponse requestId `twice` is already active``{after}")
        }
    }
}
