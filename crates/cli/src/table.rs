use crate::{
    console::{Stream, clean, print},
    failure::Failure,
};

/// A readable table: columns in line, two spaces between them, no more than the terminal needs.
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; an empty cell is shown as `-`, ends of lines as spaces.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        let in_line = |cell: String| match cell.is_empty() {
            true => "-".to_owned(),
            false => cell.replace(['\n', '\r', '\t'], " "),
        };
        self.rows.push(cells.into_iter().map(|cell| in_line(cell.into())).collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table, a line for its head and one for each row. `for_terminal`: as a terminal may be shown it.
    pub fn text(&self, for_terminal: bool) -> String {
        let head = self.head.iter().map(|cell| (*cell).to_owned()).collect();
        let shown = |row: &Vec<String>| match for_terminal {
            // Here already, or the columns would not stand in line.
            true => row.iter().map(|cell| clean(cell).into_owned()).collect(),
            false => row.clone(),
        };
        let rows: Vec<Vec<String>> = std::iter::once(head).chain(self.rows.iter().map(shown)).collect();
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| {
                rows.iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line: Vec<String> = cells.collect();
            text.push_str(line.join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// Prints it to standard output.
    pub fn print(&self) -> Result<(), Failure> {
        print(self.text(Stream::Out.is_terminal()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that columns stand in line, that no line ends in spaces, and that a cell brings a terminal no control
    /// character (case 163).
    #[test]
    fn columns_stand_in_line() {
        let mut table = Table::new(&["NAME", "URL"]);
        table.row(["é", "http://a/\u{1b}[2J"]);
        table.row(["longer", ""]);
        table.row(["two\r\nlines", "x"]);
        assert_eq!(
            table.text(true),
            "NAME        URL\né           http://a/\\x1b[2J\nlonger      -\ntwo  lines  x\n"
        );
        assert!(table.text(false).contains("http://a/\u{1b}[2J"), "a file gets what there is");
    }
}
