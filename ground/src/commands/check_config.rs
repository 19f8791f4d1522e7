//! `cabinwatch-ground check-config`: what is in force, and where each value came from.

use std::io::{self, Write};

use cabinwatch_settings::Setting;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;

/// Flags of `check-config`.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct CheckConfigArgs {
    /// One JSON array of {"key", "value", "origin"} instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Writes all settings. Values are as TOML writes them; none of them is a secret, those stand in files of their own.
///
/// # Errors
/// When the output can't be written.
pub fn run(settings: &[Setting], args: CheckConfigArgs, out: &mut dyn Write) -> io::Result<()> {
    if args.json {
        let settings: Vec<_> = settings
            .iter()
            .map(|setting| {
                let origin = setting.origin.to_string();
                serde_json::json!({ "key": setting.key, "value": setting.value, "origin": origin })
            })
            .collect();
        serde_json::to_writer_pretty(&mut *out, &settings)?;
        return writeln!(out);
    }
    let mut table = comfy_table::Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["setting", "value", "from"]);
    for setting in settings {
        table.add_row([setting.key.clone(), setting.value.clone(), setting.origin.to_string()]);
    }
    writeln!(out, "{table}")
}
