//! `cabinwatch-ground model show`: what the model folder holds.

use std::io::Write;
use std::path::PathBuf;

use cabinwatch_shared::model::{CatalogueEntry, Limits, Model, SignedBundle};
use cabinwatch_shared::time::UnixSeconds;
use comfy_table::Table;
use serde::Serialize;
use serde_json::Value;

use super::ModelCommandError;
use crate::commands::read_history::system_now;
use crate::config::Config;
use crate::train::folder::{FolderError, ModelFolder, Origin};
use crate::train::keys::public_hex;

/// Flags of `model show`.
#[derive(Clone, Debug, clap::Args)]
pub struct ShowArgs {
    /// The model folder
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// List the fault keys with their statistics, too
    #[arg(long)]
    pub keys: bool,
    /// One JSON object instead of tables
    #[arg(long)]
    pub json: bool,
}

/// What is shown.
#[derive(Debug, Serialize)]
struct Shown {
    version: u32,
    cohort: String,
    created: String,
    expires: String,
    expired: bool,
    signer: String,
    /// Whether `detect` takes it: it is signed by the key of the configuration or of the folder.
    trusted: bool,
    bundle_bytes: usize,
    /// Whether it is within the limits that agents have unless they are configured otherwise.
    fits_agents: bool,
    /// `trained`, `imported` or `unknown`.
    source: &'static str,
    /// The file beside the bundle that says so.
    source_details: Option<Value>,
    window_seconds: u32,
    z_threshold: f64,
    fault_keys: usize,
    fault_keys_with_z: usize,
    trees: u16,
    splits: u32,
    max_samples: u32,
    forest_offset: f64,
    golden_rows: u16,
    self_test: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<ShownKey>>,
}

#[derive(Debug, Serialize)]
struct ShownKey {
    edr_point: String,
    description: String,
    samples: u64,
    mean_rate: f64,
    std_rate: Option<f64>,
}

pub(super) fn run(config: &Config, args: &ShowArgs, out: &mut dyn Write) -> Result<(), ModelCommandError> {
    let folder = ModelFolder::of(&config.model)?;
    let bundle = folder.read_bundle()?;
    let damaged = |source| FolderError::Bundle { path: folder.bundle_path(), source };
    // Whoever signed it: that another key did is worth showing, not an error.
    let signer = SignedBundle::parse(&bundle, &Limits::GROUND).map_err(damaged)?.signer();
    let model = folder.open_model(&bundle, &[signer])?;
    let trusted = folder.trusted().is_ok_and(|trusted| trusted == signer);
    let origin = folder.origin(model.header().version);
    let mut shown = Shown::of(&model, bundle.len(), origin, system_now());
    (shown.signer, shown.trusted) = (public_hex(signer), trusted);
    shown.keys = args.keys.then(|| model.catalogue().entries().map(ShownKey::of).collect());
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &shown).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    Ok(shown.print(out)?)
}

impl Shown {
    fn of(model: &Model<'_>, bundle_bytes: usize, origin: Option<Origin>, now: UnixSeconds) -> Self {
        let (header, forest) = (model.header(), model.forest().shape());
        let (source, source_details) = match origin {
            Some(Origin::Trained(details)) => ("trained", Some(details)),
            Some(Origin::Imported(details)) => ("imported", Some(details)),
            None => ("unknown", None),
        };
        let has_deviation =
            |entry: &CatalogueEntry<'_>| entry.statistics.std_rate.is_some_and(|std| std > 0.0);
        let keys = model.catalogue().len();
        Self {
            version: header.version.0,
            cohort: header.cohort.to_owned(),
            created: header.created.to_string(),
            expires: header.expires.to_string(),
            expired: now >= header.expires,
            signer: String::new(),
            trusted: false,
            bundle_bytes,
            fits_agents: bundle_bytes <= Limits::AGENT.bundle_bytes && keys <= Limits::AGENT.keys as usize,
            source,
            source_details,
            window_seconds: header.window_seconds,
            z_threshold: header.z_threshold,
            fault_keys: keys,
            fault_keys_with_z: model.catalogue().entries().filter(has_deviation).count(),
            trees: forest.trees,
            splits: forest.nodes,
            max_samples: forest.max_samples,
            forest_offset: header.forest_offset,
            golden_rows: header.golden_rows,
            self_test: model.self_test().map_or_else(|error| error.to_string(), |()| "passed".to_owned()),
            keys: None,
        }
    }

    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let either = |holds: bool, yes: &str, no: &str| (if holds { yes } else { no }).to_owned();
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        let rows = [
            ("version", self.version.to_string()),
            ("cohort", self.cohort.clone()),
            ("made", self.created.clone()),
            ("source", self.source()),
            ("may be activated until", format!("{}{}", self.expires, either(self.expired, " (expired)", ""))),
            (
                "signed by",
                format!("{} ({})", self.signer, either(self.trusted, "trusted here", "NOT TRUSTED here")),
            ),
            ("windows", format!("{} s", self.window_seconds)),
            ("fault keys", format!("{}, {} of them with a z score", self.fault_keys, self.fault_keys_with_z)),
            ("z threshold", self.z_threshold.to_string()),
            ("forest", format!("{} trees of {} rows, {} splits", self.trees, self.max_samples, self.splits)),
            ("forest offset", self.forest_offset.to_string()),
            ("self-test", format!("{} golden rows: {}", self.golden_rows, self.self_test)),
            (
                "bundle",
                format!(
                    "{} bytes, {}",
                    self.bundle_bytes,
                    either(self.fits_agents, "agents take it", "TOO LARGE for agents")
                ),
            ),
        ];
        for (name, value) in rows {
            table.add_row([name.to_owned(), value]);
        }
        writeln!(out, "{table}")?;
        let Some(keys) = &self.keys else { return Ok(()) };
        let mut table = Table::new();
        table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
        table.set_header(["edr_point", "description", "mean_rate", "std_rate"]);
        for key in keys {
            let deviation = key.std_rate.map_or_else(String::new, |rate| format!("{rate:.4}"));
            table.add_row([
                key.edr_point.clone(),
                key.description.clone(),
                format!("{:.4}", key.mean_rate),
                deviation,
            ]);
        }
        writeln!(out, "{table}")
    }

    /// The source in a few words.
    fn source(&self) -> String {
        let details = self.source_details.as_ref();
        let text = |name: &str| {
            details.and_then(|details| details.get(name)).map_or_else(String::new, |value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        };
        match self.source {
            "trained" => format!("trained on {} rows of {} windows", text("rows"), text("windows")),
            "imported" => format!(
                "imported from {} and {} (scikit-learn {})",
                text("statistics_file"),
                text("forest_file"),
                text("scikit_learn")
            ),
            _ => "unknown: no file beside the bundle says".to_owned(),
        }
    }
}

impl ShownKey {
    fn of(entry: CatalogueEntry<'_>) -> Self {
        Self {
            edr_point: entry.key.edr_point.to_owned(),
            description: entry.key.description.to_owned(),
            samples: entry.statistics.samples,
            mean_rate: entry.statistics.mean_rate,
            std_rate: entry.statistics.std_rate,
        }
    }
}
