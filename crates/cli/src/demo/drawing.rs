use super::timeline::{Event, Party};
use std::time::Duration;

/// Columns for the time at the left.
const MARGIN: usize = 13;
/// An arrow shorter than this holds no useful text.
const NARROWEST: usize = 28;
const WIDEST: usize = 46;
const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";

/// Three vertical lines, this many columns apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lanes {
    apart: usize,
}

impl Lanes {
    /// The lanes that fit `width` columns, if any do.
    pub fn fit(width: usize) -> Option<Self> {
        let apart = width.saturating_sub(MARGIN + 8) / 2;
        (apart >= NARROWEST).then(|| Self { apart: apart.min(WIDEST) })
    }
}

/// Draws one event on one or more lines.
pub(super) fn drawn(event: &Event, since: Duration, lanes: Lanes, colour: bool) -> String {
    let paint =
        |style: &str, text: &str| if colour { format!("{style}{text}{RESET}") } else { text.to_owned() };
    match event {
        Event::Text(text) => format!("{text}\n"),
        Event::Act(title) => format!("\n{}\n", paint(BOLD, title)),
        Event::Parties(lines) => {
            let names: Vec<_> = Party::ALL.iter().map(|party| (party.name().to_owned(), *party)).collect();
            let places: Vec<_> =
                Party::ALL.iter().zip(lines).map(|(party, line)| (line.clone(), *party)).collect();
            let bars: Vec<_> = Party::ALL.iter().map(|party| ("│".to_owned(), *party)).collect();
            [names, places, bars]
                .iter()
                .map(|row| columns(row, lanes, &|party, text| paint(hue(party), text)))
                .collect()
        }
        Event::Arrow { from, to, text } => {
            let time = paint(DIM, &format!("{:>width$}  ", milliseconds(since), width = MARGIN - 3));
            time + &arrow(*from, *to, text, lanes, &|party, text| paint(hue(party), text))
        }
        Event::Note { at, text } => {
            let time = paint(DIM, &format!("{:>width$}  ", milliseconds(since), width = MARGIN - 3));
            time + &note(*at, text, lanes, &|party, text| paint(hue(party), text))
        }
    }
}

fn hue(party: Party) -> &'static str {
    match party {
        Party::Orchestrator => "\x1b[36m",
        Party::Executor => "\x1b[33m",
        Party::Origin => "\x1b[32m",
    }
}

type Paint<'a> = &'a dyn Fn(Party, &str) -> String;

/// Texts, each centred on its party's line.
fn columns(texts: &[(String, Party)], lanes: Lanes, paint: Paint<'_>) -> String {
    let mut row = String::new();
    let mut at = 0;
    for (index, (text, party)) in texts.iter().enumerate() {
        let text = clip(text, lanes.apart - 2);
        let length = text.chars().count();
        let start = (MARGIN - 1 + index * lanes.apart).saturating_sub(length / 2).max(at);
        row.push_str(&" ".repeat(start - at));
        row.push_str(&paint(*party, &text));
        at = start + length;
    }
    row + "\n"
}

fn arrow(from: Party, to: Party, text: &str, lanes: Lanes, paint: Paint<'_>) -> String {
    let room = lanes.apart - 1;
    let text = clip(text, room.saturating_sub(7));
    let line = "─".repeat(room - 5 - text.chars().count());
    let rightward = from as usize <= to as usize;
    let gap = from as usize + to as usize;
    let mut row = bar(Party::Orchestrator, paint);
    for (index, party) in [(1, Party::Executor), (3, Party::Origin)] {
        if index == gap {
            row.push_str(&if rightward {
                format!("{}{text}{}", paint(from, "── "), paint(from, &format!(" {line}▶")))
            } else {
                format!("{}{text}{}", paint(from, &format!("◀{line} ")), paint(from, " ──"))
            });
        } else {
            row.push_str(&" ".repeat(room));
        }
        row.push_str(&bar(party, paint));
    }
    row + "\n"
}

/// A note stands right of its party's line, the origin's left of it.
fn note(at: Party, text: &str, lanes: Lanes, paint: Paint<'_>) -> String {
    let room = lanes.apart - 1;
    let text = clip(text, room - 2);
    let blank = " ".repeat(room);
    let left = format!(" {text}{}", " ".repeat(room - 1 - text.chars().count()));
    let right = format!("{}{text} ", " ".repeat(room - 1 - text.chars().count()));
    let (first, second) = match at {
        Party::Orchestrator => (left, blank),
        Party::Executor => (blank, left),
        Party::Origin => (blank, right),
    };
    let [orchestrator, executor, origin] = Party::ALL.map(|party| bar(party, paint));
    format!("{orchestrator}{first}{executor}{second}{origin}\n")
}

fn bar(party: Party, paint: Paint<'_>) -> String {
    paint(party, "│")
}

fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Milliseconds with one digit, right-aligned.
pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:6.1} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that every drawn line keeps the three lanes in place, whatever its text, and that nothing is coloured
    /// unless colour is wanted.
    #[test]
    fn lanes_stay_in_place() {
        for width in [80, 100, 200] {
            let lanes = Lanes::fit(width).unwrap();
            let long = "x".repeat(300);
            use Party::{Executor, Orchestrator, Origin};
            for text in ["", "GET /", long.as_str()] {
                let mut rows = Vec::new();
                for (from, to) in [
                    (Orchestrator, Executor),
                    (Executor, Orchestrator),
                    (Executor, Origin),
                    (Origin, Executor),
                ] {
                    let event = Event::Arrow { from, to, text: text.to_owned() };
                    rows.push(drawn(&event, Duration::from_millis(1), lanes, false));
                }
                for at in Party::ALL {
                    rows.push(drawn(
                        &Event::Note { at, text: text.to_owned() },
                        Duration::ZERO,
                        lanes,
                        false,
                    ));
                }
                for row in rows {
                    assert!(!row.contains('\x1b'));
                    let columns: Vec<char> = row.chars().collect();
                    assert!(columns.len() <= width, "{row}");
                    for lane in 0..3 {
                        assert_eq!(columns[MARGIN - 1 + lane * lanes.apart], '│', "{row}");
                    }
                }
            }
        }
        assert_eq!(Lanes::fit(70), None);
    }
}
