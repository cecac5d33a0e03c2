use crate::{
    Problem,
    syntax::{Entry, Node, Source, Span, Value},
};

/// A server of another program's file, in our words, and what was found on the way.
pub(crate) struct Told {
    pub entry: Entry,
    /// Why it cannot be used.
    refused: Vec<Note>,
    /// What is worth a word.
    notes: Vec<Note>,
    /// Why it cannot be used, unless its environment is set.
    unplaced: Option<Note>,
}

struct Note {
    span: Span,
    what: String,
    fix: String,
}

impl Told {
    /// A server without anything said of it yet.
    pub fn new(entry: &Entry) -> Self {
        let node = Node::new(entry.node.span.clone(), Value::Table(Vec::new()));
        let entry = Entry { key: entry.key.clone(), key_span: entry.key_span.clone(), node };
        Self { entry, refused: Vec::new(), notes: Vec::new(), unplaced: None }
    }

    /// A server that is in our words already.
    pub fn as_it_is(entry: &Entry) -> Self {
        Self { entry: entry.clone(), refused: Vec::new(), notes: Vec::new(), unplaced: None }
    }

    /// Says `name` in our words; the value stands where it stood.
    pub fn say(&mut self, name: &str, said: &Entry, value: Node) {
        self.push(&[], name, said, value);
    }

    /// Says `name` within the table `table`.
    pub fn say_in(&mut self, table: &str, name: &str, said: &Entry, value: Node) {
        self.push(&[table], name, said, value);
    }

    fn push(&mut self, tables: &[&str], name: &str, said: &Entry, value: Node) {
        let mut node = &mut self.entry.node;
        for table in tables {
            node = child(node, table, &said.key_span);
        }
        let entry = Entry { key: name.to_owned(), key_span: said.key_span.clone(), node: value };
        entries(node).push(entry);
    }

    /// Sets the environment, whatever was said.
    pub fn set_environment(&mut self, environment: &str) {
        self.unplaced = None;
        let entries = entries(&mut self.entry.node);
        entries.retain(|entry| entry.key != "environment");
        entries.push(Entry::new("environment", Node::text(environment)));
    }

    /// Why it cannot be used as long as nobody sets its environment.
    pub fn unplaced(&mut self, span: &Span, what: impl Into<String>, fix: impl Into<String>) {
        self.unplaced = Some(Note { span: span.clone(), what: what.into(), fix: fix.into() });
    }

    /// Why it cannot be used.
    pub fn refuse(&mut self, span: &Span, what: impl Into<String>, fix: impl Into<String>) {
        self.refused.push(Note { span: span.clone(), what: what.into(), fix: fix.into() });
    }

    /// What is worth a word.
    pub fn note(&mut self, span: &Span, what: impl Into<String>, fix: impl Into<String>) {
        self.notes.push(Note { span: span.clone(), what: what.into(), fix: fix.into() });
    }

    /// Why it cannot be used, each with its place.
    pub fn refusals(&self, source: &Source) -> Vec<Problem> {
        self.refused.iter().chain(&self.unplaced).map(|note| self.problem(source, note)).collect()
    }

    /// What is worth a word, each with its place.
    pub fn notes(&self, source: &Source) -> Vec<Problem> {
        self.notes.iter().map(|note| self.problem(source, note)).collect()
    }

    fn problem(&self, source: &Source, note: &Note) -> Problem {
        Problem::new(source.place(note.span.start), &*self.entry.key, &*note.what, &*note.fix)
    }
}

/// The table `name` within a table, made where it is not there.
fn child<'a>(node: &'a mut Node, name: &str, span: &Span) -> &'a mut Node {
    let entries = entries(node);
    let at = entries.iter().position(|entry| entry.key == name).unwrap_or_else(|| {
        let table = Node::new(span.clone(), Value::Table(Vec::new()));
        entries.push(Entry { key: name.to_owned(), key_span: span.clone(), node: table });
        entries.len() - 1
    });
    &mut entries[at].node
}

fn entries(node: &mut Node) -> &mut Vec<Entry> {
    if !matches!(node.value, Value::Table(_)) {
        node.value = Value::Table(Vec::new());
    }
    match &mut node.value {
        Value::Table(entries) => entries,
        _ => unreachable!("it was made a table just before"),
    }
}
