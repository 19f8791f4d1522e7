//! Tables for people: columns as wide as their longest cell, numbers to the right.

use std::io::{self, Write};

/// Where a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Writes a table; a column's name decides nothing, its alignment does.
pub(super) fn write_table(
    out: &mut impl Write,
    columns: &[(&str, Align)],
    rows: &[Vec<String>],
) -> io::Result<()> {
    let heads: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|place| {
            let cells = std::iter::once(&heads).chain(rows).filter_map(|row| row.get(place));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::new();
        for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(columns) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            match align {
                Align::Left => line.push_str(&format!("{cell:<width$}")),
                Align::Right => line.push_str(&format!("{cell:>width$}")),
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut out = Vec::new();
        let rows = [vec!["DHCP".to_owned(), "7".to_owned()], vec!["Ünï".to_owned(), "1000".to_owned()]];
        write_table(&mut out, &[("point", Align::Left), ("n", Align::Right)], &rows).expect("written");
        assert_eq!(String::from_utf8(out).expect("text"), "point     n\nDHCP      7\nÜnï    1000\n");
    }
}
