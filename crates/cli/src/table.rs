use crate::{failure::Failure, start::print};
use serde::Serialize;

/// A readable table: columns in line, two spaces between them, no more than the terminal needs.
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; an empty cell is shown as `-`.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        let clean = |cell: String| -> String {
            let cell: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            if cell.is_empty() { "-".to_owned() } else { cell }
        };
        self.rows.push(cells.into_iter().map(|cell| clean(cell.into())).collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table, a line for its head and one for each row.
    pub fn text(&self) -> String {
        let head: Vec<String> = self.head.iter().map(|cell| (*cell).to_owned()).collect();
        let rows = || std::iter::once(&head).chain(&self.rows);
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| {
                rows().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in rows() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line: Vec<String> = cells.collect();
            text.push_str(line.join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// Prints it to standard output.
    pub fn print(&self) -> Result<(), Failure> {
        print(self.text().as_bytes())
    }
}

/// Prints `value` to standard output as JSON, for `--json`.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(crate::ExitCode::Internal, format!("cannot write JSON: {error}")))?;
    text.push('\n');
    print(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that columns stand in line, that no line ends in spaces, and that no cell brings a control character.
    #[test]
    fn columns_stand_in_line() {
        let mut table = Table::new(&["NAME", "URL"]);
        table.row(["é", "http://a/\u{1b}[2J"]);
        table.row(["longer", ""]);
        assert_eq!(table.text(), "NAME    URL\né       http://a/ [2J\nlonger  -\n");
    }
}
