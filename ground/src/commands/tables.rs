//! `cabinwatch-ground tables`: what the tables hold, for people and for programs.

use std::io::{self, Write};

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use comfy_table::presets::UTF8_BORDERS_ONLY;

use super::read_history::parse_instant;
use crate::config::{Config, Flag};
use crate::tables::{self, Cell, Grid, Listing, Query, TablesError};

/// Flags of `tables`.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TablesArgs {
    /// Something else than to show rows
    #[command(subcommand)]
    pub action: Option<TablesAction>,
    /// Where the tables are, e.g. sqlite:///data/tables.db or cassandra://db.example/cabinwatch
    #[arg(long, value_name = "URL")]
    pub tables: Option<String>,
    /// Which one: combined_all, combined_repeated, zscore_all, zscore_repeated, iforest_all, iforest_repeated,
    /// windows, losses, gaps, aircraft, streams, stream_starts, model_reports or set_aside
    #[arg(long = "table", value_name = "NAME", required = true)]
    pub listing: Option<Listing>,
    /// csv and json give every column and all digits; table is for people
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Only this aircraft; FLEET for rows of EDR files
    #[arg(long)]
    pub tail: Option<Tail>,
    /// Only what starts at this time or later
    #[arg(long, value_name = "RFC3339", value_parser = parse_instant)]
    pub since: Option<UnixSeconds>,
    /// Only what starts before this time
    #[arg(long, value_name = "RFC3339", value_parser = parse_instant)]
    pub until: Option<UnixSeconds>,
    /// At most this many rows: the newest
    #[arg(long, value_name = "ROWS")]
    pub limit: Option<u32>,
}

/// What `tables` does beside showing rows.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum TablesAction {
    /// Make keyspace and tables where they are not there yet, and say what is otherwise than configured
    Init {
        /// Where the tables are to be, e.g. cassandra://db.example/cabinwatch
        #[arg(long, value_name = "URL")]
        tables: Option<String>,
    },
}

/// How a listing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// RFC 4180, with a header; nothing for no value.
    Csv,
    /// One array of objects.
    Json,
    /// Aligned columns.
    Table,
}

/// Why the tables can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum TablesCommandError {
    /// The tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// Output.
    #[error("cannot write the rows: {0}")]
    Output(#[from] io::Error),
}

impl TablesCommandError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Tables(error) if error.is_usage())
    }
}

impl TablesArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        let tables = match &self.action {
            Some(TablesAction::Init { tables }) => tables,
            None => &self.tables,
        };
        vec![("--tables", "tables.url", tables.clone())]
    }
}

/// Makes the tables, or writes one listing of them.
///
/// # Errors
/// When the tables can't be made or read, or the output can't be written.
pub fn run(config: &Config, args: &TablesArgs, out: &mut dyn Write) -> Result<(), TablesCommandError> {
    match (&args.action, args.listing) {
        (Some(TablesAction::Init { .. }), _) => init(config, out),
        (None, Some(listing)) => show(config, args, listing, out),
        // The command line has one or the other.
        (None, None) => Ok(()),
    }
}

fn init(config: &Config, out: &mut dyn Write) -> Result<(), TablesCommandError> {
    for step in tables::init(&config.tables.url, &config.tables)? {
        writeln!(out, "{step}")?;
    }
    Ok(())
}

fn show(
    config: &Config,
    args: &TablesArgs,
    listing: Listing,
    out: &mut dyn Write,
) -> Result<(), TablesCommandError> {
    let tables = tables::open_to_read(&config.tables.url, &config.tables)?;
    let query = Query { tail: args.tail.clone(), since: args.since, until: args.until, limit: args.limit };
    let grid = listing.read(tables.as_ref(), &query)?;
    match args.format {
        Format::Csv => csv(&grid, out)?,
        Format::Json => json(&grid, out)?,
        Format::Table => table(&grid, out)?,
    }
    Ok(())
}

fn csv(grid: &Grid, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(&grid.columns)?;
    for row in &grid.rows {
        csv.write_record(row.iter().map(ToString::to_string))?;
    }
    csv.flush()
}

/// Objects keep the columns' order, so they are put together by hand.
fn json(grid: &Grid, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "[")?;
    for (number, row) in grid.rows.iter().enumerate() {
        write!(out, "{}", if number == 0 { "\n{" } else { ",\n{" })?;
        for (place, (column, cell)) in grid.columns.iter().zip(row).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(out, "{comma}\"{column}\": {}", json_value(cell))?;
        }
        write!(out, "}}")?;
    }
    writeln!(out, "\n]")
}

fn json_value(cell: &Cell) -> serde_json::Value {
    match cell {
        Cell::Null => serde_json::Value::Null,
        Cell::Integer(value) => (*value).into(),
        Cell::Real(value) => (*value).into(),
        Cell::Text(value) => value.as_str().into(),
    }
}

/// Columns that repeat what others say, or that only programs need.
const HIDDEN: [&str; 8] = [
    "end_time",
    "total",
    "anomaly_combined",
    "edr_point",
    "description",
    "model_version",
    "iforest_score",
    "bytes",
];

fn table(grid: &Grid, out: &mut dyn Write) -> io::Result<()> {
    // A column is only left out where the key beside it says the same.
    let has_key = grid.columns.contains(&"fault_key");
    let shown = |column: &str| !HIDDEN.contains(&column) || (!has_key && column != "bytes");
    let places: Vec<usize> = (0..grid.columns.len())
        .filter(|place| grid.columns.get(*place).is_some_and(|name| shown(name)))
        .collect();
    let mut table = comfy_table::Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(places.iter().filter_map(|place| grid.columns.get(*place)));
    for row in &grid.rows {
        table.add_row(places.iter().filter_map(|place| row.get(*place)).map(for_people));
    }
    writeln!(out, "{table}")?;
    writeln!(out, "{} rows", grid.rows.len())
}

fn for_people(cell: &Cell) -> String {
    match cell {
        Cell::Null => "-".to_owned(),
        Cell::Real(value) => format!("{value:.2}"),
        // Text from an aircraft must not steer a terminal.
        Cell::Text(text) => text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
        Cell::Integer(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let row = |text: &str, real| vec![Cell::text(text), Cell::Integer(3), real];
        Grid {
            columns: vec!["name", "fail", "z_score"],
            rows: vec![row("a, \"b\"", Cell::Real(0.1 + 0.2)), row("c\u{1b}[31m", Cell::Null)],
        }
    }

    fn written(write: fn(&Grid, &mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&grid(), &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn csv_quotes_what_needs_it_and_keeps_every_digit() {
        assert_eq!(
            written(csv),
            "name,fail,z_score\n\"a, \"\"b\"\"\",3,0.30000000000000004\nc\u{1b}[31m,3,\n"
        );
    }

    #[test]
    fn json_is_one_array_with_numbers_and_nulls() {
        let value: serde_json::Value = serde_json::from_str(&written(json)).expect("JSON");
        assert_eq!(
            value,
            serde_json::json!([
                {"name": "a, \"b\"", "fail": 3, "z_score": 0.1 + 0.2},
                {"name": "c\u{1b}[31m", "fail": 3, "z_score": null},
            ])
        );
        let mut empty = Vec::new();
        json(&Grid { columns: vec!["name"], rows: Vec::new() }, &mut empty).expect("written");
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&empty).expect("JSON"), serde_json::json!([]));
    }

    #[test]
    fn a_table_for_people_steers_no_terminal() {
        let table = written(table);
        assert!(table.contains("0.30") && table.contains("2 rows") && !table.contains('\u{1b}'), "{table}");
    }
}
