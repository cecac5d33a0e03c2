use super::drawing::{self, Lanes};
use crate::{
    console::{Stream, draw},
    terminal::Terminal,
};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    Orchestrator,
    Executor,
    Origin,
}

/// Something that was seen to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Plain text across all columns.
    Text(String),
    /// A heading.
    Act(String),
    /// Who is where: a line for each party.
    Parties([String; 3]),
    /// Something passes from one party to its neighbour.
    Arrow { from: Party, to: Party, text: String },
    /// Something happens at one party.
    Note { at: Party, text: String },
}

impl Party {
    pub const ALL: [Self; 3] = [Self::Orchestrator, Self::Executor, Self::Origin];

    pub fn name(self) -> &'static str {
        match self {
            Self::Orchestrator => "orchestrator",
            Self::Executor => "executor",
            Self::Origin => "origin",
        }
    }
}

/// Takes notes of events from every task; waits while the printer is behind.
#[derive(Clone)]
pub(super) struct Notes {
    events: mpsc::Sender<(Instant, Event)>,
}

impl Notes {
    pub async fn write(&self, event: Event) {
        // Nobody reads once the demo is over.
        let _ = self.events.send((Instant::now(), event)).await;
    }

    pub async fn arrow(&self, from: Party, to: Party, text: impl Into<String>) {
        self.write(Event::Arrow { from, to, text: text.into() }).await;
    }

    pub async fn text(&self, text: impl Into<String>) {
        self.write(Event::Text(text.into())).await;
    }

    /// From where nothing can be awaited. Lost only if the printer is hundreds of events behind.
    pub fn try_note(&self, at: Party, text: impl Into<String>) {
        let _ = self.events.try_send((Instant::now(), Event::Note { at, text: text.into() }));
    }
}

/// Prints events as they happen, with the time since the act began.
pub(super) struct Timeline {
    events: mpsc::Receiver<(Instant, Event)>,
    terminal: Terminal,
    lanes: Option<Lanes>,
}

impl Timeline {
    /// A timeline for this terminal: drawn in three columns where they fit, else a line for each event.
    pub fn new(terminal: Terminal) -> (Self, Notes) {
        let (sender, events) = mpsc::channel(256);
        let lanes = if terminal.is_terminal { Lanes::fit(terminal.width) } else { None };
        (Self { events, terminal, lanes }, Notes { events: sender })
    }

    /// Prints until all notes are written.
    pub async fn run(mut self) {
        let mut act_began = Instant::now();
        while let Some((at, event)) = self.events.recv().await {
            if matches!(event, Event::Act(_)) {
                act_began = at;
            }
            let text = match self.lanes {
                Some(lanes) => drawing::drawn(
                    &event,
                    at.saturating_duration_since(act_began),
                    lanes,
                    self.terminal.colour,
                ),
                None => plain(&event, at.saturating_duration_since(act_began)),
            };
            if draw(Stream::Out, text).is_err() {
                return;
            }
        }
    }
}

fn plain(event: &Event, since: Duration) -> String {
    let time = drawing::milliseconds(since);
    match event {
        Event::Text(text) => format!("{text}\n"),
        Event::Act(title) => format!("\n{title}\n"),
        Event::Parties(lines) => Party::ALL
            .iter()
            .zip(lines)
            .map(|(party, line)| format!("  {:<13} {line}\n", party.name()))
            .collect(),
        Event::Arrow { from, to, text } => {
            format!("{time}  {:<12} -> {:<12}  {text}\n", from.name(), to.name())
        }
        Event::Note { at, text } => format!("{time}  {:<12}    {:<12}  {text}\n", at.name(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that piped output is plain text, one line an event, who to whom.
    #[test]
    fn plain_lines_say_who_to_whom() {
        let event = Event::Arrow { from: Party::Executor, to: Party::Origin, text: "GET /".into() };
        assert_eq!(
            plain(&event, Duration::from_micros(1250)),
            "   1.2 ms  executor     -> origin        GET /\n"
        );
    }
}
