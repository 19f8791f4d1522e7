//! `check-config`: what is in force, and where each value came from.

use std::io::Write;

use cabinwatch_settings::Setting;

use super::CommandError;
use super::table::{Align, write_table};

/// Prints all settings.
///
/// # Errors
/// When the output can't be written.
pub fn print(settings: &[Setting], json: bool, out: &mut impl Write) -> Result<(), CommandError> {
    if json {
        serde_json::to_writer_pretty(&mut *out, settings)?;
        writeln!(out)?;
        return Ok(());
    }
    let rows: Vec<_> = settings
        .iter()
        .map(|setting| vec![setting.key.clone(), setting.value.clone(), setting.origin.to_string()])
        .collect();
    write_table(out, &[("setting", Align::Left), ("value", Align::Left), ("from", Align::Left)], &rows)?;
    Ok(())
}
