//! Rows in columns: numbers to the right, texts to the left, cut to a width if there is one.

use std::{cmp::Reverse, fmt};

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::terminal::shown;

/// One field of a row; what a terminal must not see is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Absent,
}

impl Cell {
    /// A text.
    pub(crate) fn text(text: &str) -> Cell {
        Cell { text: shown(text).into_owned(), kind: Kind::Text }
    }

    /// A number.
    pub(crate) fn number(text: String) -> Cell {
        Cell { text, kind: Kind::Number }
    }

    /// Nothing: a dash, so that every row has as many words as there are columns.
    pub(crate) fn absent() -> Cell {
        Cell { text: "-".to_owned(), kind: Kind::Absent }
    }

    /// The same as a text, to the left.
    pub(super) fn into_text(self) -> Cell {
        Cell { kind: Kind::Text, ..self }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The rows.
#[derive(Debug, Default)]
pub(crate) struct Table {
    header: Option<Vec<Cell>>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new() -> Table {
        Table::default()
    }

    /// Names the columns.
    pub(crate) fn header(&mut self, names: impl IntoIterator<Item = String>) {
        self.header = Some(names.into_iter().map(|name| Cell::text(&name)).collect());
    }

    /// One more row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines. With a width, texts are cut until a line fits, the longest first; numbers are
    /// never cut, and neither is a text below [`TEXT_WIDTH_MIN`], so a line may still be longer.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let mut columns = self.columns();
        if let Some(width) = width {
            narrow(&mut columns, width);
        }
        let header = self.header.iter().map(|row| (row, Style::new().bold()));
        let rows = self.rows.iter().map(|row| (row, Style::new()));
        header
            .chain(rows)
            .map(|(row, style)| {
                let line = line(row, &columns);
                format!("{style}{line}{style:#}")
            })
            .collect()
    }

    fn columns(&self) -> Vec<Width> {
        let mut columns: Vec<Width> = Vec::new();
        for (row, is_header) in self
            .header
            .iter()
            .map(|row| (row, true))
            .chain(self.rows.iter().map(|row| (row, false)))
        {
            columns.resize(columns.len().max(row.len()), Width::default());
            for (column, cell) in columns.iter_mut().zip(row) {
                column.width = column.width.max(cell.text.width());
                if !is_header {
                    column.has_numbers |= cell.kind == Kind::Number;
                    column.has_texts |= cell.kind == Kind::Text;
                }
            }
        }
        columns
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Width {
    width: usize,
    has_numbers: bool,
    has_texts: bool,
}

impl Width {
    fn is_numeric(self) -> bool {
        self.has_numbers && !self.has_texts
    }
}

fn narrow(columns: &mut [Width], width: usize) {
    let gaps = GAP.len() * columns.len().saturating_sub(1);
    loop {
        let all: usize = columns.iter().map(|column| column.width).sum::<usize>() + gaps;
        let excess = all.saturating_sub(width);
        let mut texts: Vec<&mut Width> = columns
            .iter_mut()
            .filter(|column| !column.is_numeric() && column.width > TEXT_WIDTH_MIN)
            .collect();
        texts.sort_by_key(|column| Reverse(column.width));
        let next = texts.get(1).map_or(TEXT_WIDTH_MIN, |column| column.width);
        let Some(widest) = texts.first_mut().filter(|_| excess > 0) else { return };
        // Down to the next one, and then both by turns.
        let down_to = next.min(widest.width - 1).max(TEXT_WIDTH_MIN);
        widest.width = widest.width.saturating_sub(excess).max(down_to);
    }
}

fn line(row: &[Cell], columns: &[Width]) -> String {
    let mut line = String::new();
    for (index, (cell, column)) in row.iter().zip(columns).enumerate() {
        if index > 0 {
            line.push_str(GAP);
        }
        let text = cut(&cell.text, column.width);
        let blank = " ".repeat(column.width.saturating_sub(text.width()));
        match column.is_numeric() {
            true => line.extend([blank.as_str(), text.as_str()]),
            false => line.extend([text.as_str(), blank.as_str()]),
        }
    }
    line.truncate(line.trim_end_matches(' ').len());
    line
}

fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut taken = 0;
    let kept = text.chars().take_while(|c| {
        taken += c.width().unwrap_or(0);
        taken < width
    });
    kept.chain(['…']).collect()
}

const GAP: &str = "  ";
/// Less of a name says nothing.
const TEXT_WIDTH_MIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn table(header: &[&str], rows: &[&[&str]]) -> Table {
        let mut table = Table::new();
        if !header.is_empty() {
            table.header(header.iter().map(|name| (*name).to_owned()));
        }
        for row in rows {
            table.row(row.iter().map(|text| match *text {
                "-" => Cell::absent(),
                text if text.parse::<f64>().is_ok() => Cell::number(text.to_owned()),
                text => Cell::text(text),
            }));
        }
        table
    }

    fn lines(table: &Table, width: Option<usize>) -> Vec<String> {
        let lines = table.lines(width);
        lines.iter().map(|line| line.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "")).collect()
    }

    #[test]
    fn texts_stand_left_and_numbers_right() {
        let table = table(
            &["name", "messages", "policy"],
            &[&["jobs", "1234567890", "-"], &["mail", "7", "ttl"], &["x", "-", "-"]],
        );
        assert_eq!(
            lines(&table, None),
            [
                "name    messages  policy",
                "jobs  1234567890  -",
                "mail           7  ttl",
                "x              -  -",
            ]
        );
    }

    #[test]
    fn wide_and_combining_characters_keep_the_columns_straight() {
        let table = table(&[], &[&["日本", "a"], &["e\u{301}t", "b"], &["abcd", "c"]]);
        assert_eq!(lines(&table, None), ["日本  a", "e\u{301}t    b", "abcd  c"]);
    }

    #[test]
    fn a_line_is_cut_to_the_width_at_its_longest_texts() {
        let long = "x".repeat(60);
        let table = table(&["name", "size", "key"], &[&[&long, "1234567890123456", "org.example"]]);
        for width in [45, 50, 70, 91, 200] {
            let lines = lines(&table, Some(width));
            assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:?}");
            assert!(lines[1].contains("1234567890123456"), "{width}: {lines:?}");
            assert_eq!(lines[1].contains('…'), width < 91, "{width}: {lines:?}");
        }
        assert!(lines(&table, Some(70))[1].contains("org.example"), "the short one stays whole");
        assert_eq!(lines(&table, None)[1], format!("{long}  1234567890123456  org.example"));
    }

    #[test]
    fn numbers_and_short_texts_are_never_cut() {
        let table = table(&["a", "b"], &[&["12345678901234567890", "abcdefgh"]]);
        assert_eq!(lines(&table, Some(5))[1], "12345678901234567890  abcdefgh");
    }

    #[test]
    fn a_cut_never_splits_a_wide_character() {
        for width in 2..9 {
            let text = cut("日本語の名前", width);
            assert!(text.width() <= width && text.ends_with('…'), "{width}: {text}");
        }
    }

    #[test]
    fn a_table_of_nothing_has_no_lines() {
        assert!(lines(&table(&[], &[]), Some(80)).is_empty());
    }
}
