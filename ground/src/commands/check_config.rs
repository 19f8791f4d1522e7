//! `cabinwatch-ground check-config`: what is in force, and where each value came from.

use std::io::{self, Write};

use cabinwatch_settings::Setting;
use comfy_table::presets::UTF8_BORDERS_ONLY;

/// Flags of `check-config`.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct CheckConfigArgs {
    /// One JSON array of {"key", "value", "origin"} instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Writes all settings. None of them is a secret: those stand in files of their own.
///
/// # Errors
/// When the output can't be written.
pub fn run(settings: &[Setting], args: CheckConfigArgs, out: &mut dyn Write) -> io::Result<()> {
    if args.json {
        let settings: Vec<_> = settings
            .iter()
            .map(|setting| {
                let origin = setting.origin.to_string();
                serde_json::json!({ "key": setting.key, "value": value(&setting.value), "origin": origin })
            })
            .collect();
        serde_json::to_writer_pretty(&mut *out, &settings)?;
        return writeln!(out);
    }
    let mut table = comfy_table::Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["setting", "value", "from"]);
    for setting in settings {
        table.add_row([setting.key.clone(), setting.value.clone(), setting.origin.to_string()]);
    }
    writeln!(out, "{table}")
}

/// A value as JSON; settings carry it as TOML writes it.
fn value(text: &str) -> serde_json::Value {
    let table = format!("value = {text}").parse::<toml::Table>().ok();
    let json = table.and_then(|mut table| serde_json::to_value(table.remove("value")?).ok());
    json.unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn json_lists_every_setting_with_its_value_and_origin() {
        let flags = [("--days", "retrain.days", Some("7".to_owned()))];
        let (_, settings) = config::load(None, [], &flags).expect("valid");
        let mut out = Vec::new();
        run(&settings, CheckConfigArgs { json: true }, &mut out).expect("written");
        let listed: Vec<serde_json::Value> = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(listed.len(), settings.len());
        let find = |key: &str| listed.iter().find(|setting| setting["key"] == key).cloned();
        let days = serde_json::json!({ "key": "retrain.days", "value": 7, "origin": "--days" });
        assert_eq!(find("retrain.days"), Some(days));
        let to =
            serde_json::json!({ "key": "mail.to", "value": ["operations@localhost"], "origin": "default" });
        assert_eq!(find("mail.to"), Some(to));
    }
}
