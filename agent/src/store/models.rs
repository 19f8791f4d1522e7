//! Models: two slots, one for the model in use and one for the one before it, and what is remembered about them.

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::time::UnixSeconds;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;
use crate::model::ModelMemory;

/// The format of what is remembered; its first byte.
const MEMORY_VERSION: u8 = 1;

/// The place of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The model in use.
    Active,
    /// The one that was in use before it, and proved itself.
    Previous,
}

impl Slot {
    /// The number of its row.
    const fn id(self) -> i64 {
        match self {
            Self::Active => 1,
            Self::Previous => 2,
        }
    }
}

/// A model as it lies in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredModel {
    /// Its version.
    pub version: ModelVersion,
    /// Since when it is in use, or when that began.
    pub activated: UnixSeconds,
    /// The signed bundle.
    pub bundle: Vec<u8>,
}

/// What becomes of the models, and what is remembered afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChange {
    /// The slots.
    pub slots: SlotChange,
    /// What is remembered.
    pub memory: ModelMemory,
}

/// What becomes of the two slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotChange {
    /// They stay as they are.
    Keep,
    /// This bundle becomes the active one.
    Activate {
        /// Its version.
        version: ModelVersion,
        /// The signed bundle.
        bundle: Vec<u8>,
        /// Whether the model in use until now becomes the previous one; else that slot stays as it is.
        keep_active: bool,
    },
    /// The previous one becomes the active one, if there is one.
    FallBack,
    /// The previous one goes.
    ForgetPrevious,
    /// Both go.
    Clear,
}

/// Does it, within the caller's transaction.
pub(super) fn write(
    connection: &Connection,
    change: &ModelChange,
    at: UnixSeconds,
) -> Result<(), StoreError> {
    let clear = |slot: Slot| connection.execute("DELETE FROM models WHERE slot = ?1", [slot.id()]);
    let (active, previous) = (Slot::Active.id(), Slot::Previous.id());
    match &change.slots {
        SlotChange::Keep => {}
        SlotChange::Activate { version, bundle, keep_active } => {
            if *keep_active {
                clear(Slot::Previous)?;
                connection.execute("UPDATE models SET slot = ?1 WHERE slot = ?2", [previous, active])?;
            }
            connection.execute(
                "REPLACE INTO models (slot, version, activated, bundle) VALUES (?1, ?2, ?3, ?4)",
                params![active, version.0, at.0, bundle],
            )?;
        }
        SlotChange::FallBack => {
            clear(Slot::Active)?;
            let sql = "UPDATE models SET slot = ?1, activated = ?3 WHERE slot = ?2";
            connection.execute(sql, [active, previous, at.0])?;
        }
        SlotChange::ForgetPrevious => {
            clear(Slot::Previous)?;
        }
        SlotChange::Clear => {
            connection.execute("DELETE FROM models", [])?;
        }
    }
    connection
        .prepare_cached("REPLACE INTO model_memory (id, body) VALUES (1, ?1)")?
        .execute([memory_bytes(&change.memory)?])?;
    Ok(())
}

/// The model in a slot.
pub(super) fn model(connection: &Connection, slot: Slot) -> Result<Option<StoredModel>, StoreError> {
    let row = |row: &Row<'_>| {
        let (version, activated) = (ModelVersion(row.get(0)?), UnixSeconds(row.get(1)?));
        Ok(StoredModel { version, activated, bundle: row.get(2)? })
    };
    let sql = "SELECT version, activated, bundle FROM models WHERE slot = ?1";
    Ok(connection.query_row(sql, [slot.id()], row).optional()?)
}

/// The version of the model in use; 0 for none.
pub(super) fn active_version(connection: &Connection) -> Result<ModelVersion, StoreError> {
    let sql = "SELECT version FROM models WHERE slot = ?1";
    let version = connection.query_row(sql, [Slot::Active.id()], |row| row.get(0)).optional()?;
    Ok(ModelVersion(version.unwrap_or(0)))
}

/// What is remembered about models; nothing before the first.
pub(super) fn memory(connection: &Connection) -> Result<ModelMemory, StoreError> {
    let body: Option<Vec<u8>> =
        connection.query_row("SELECT body FROM model_memory", [], |row| row.get(0)).optional()?;
    body.map_or_else(|| Ok(ModelMemory::default()), |body| read_memory(&body))
}

fn memory_bytes(memory: &ModelMemory) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(memory, vec![MEMORY_VERSION]).map_err(|_| garbled())
}

fn read_memory(body: &[u8]) -> Result<ModelMemory, StoreError> {
    match body.split_first() {
        Some((&MEMORY_VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| garbled()),
        _ => Err(garbled()),
    }
}

fn garbled() -> StoreError {
    StoreError::garbled("what is remembered about models")
}

#[cfg(test)]
mod tests {
    use cabinwatch_shared::wire::TrialCounts;
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Trial, TrialRules};

    #[test]
    fn what_is_remembered_is_these_bytes() {
        let mut trial = Trial::default();
        let rules = TrialRules { windows: 2, verdicts: 2, max_alarm_percent: 20, max_alone_percent: 98 };
        let window = TrialCounts { windows: 1, rows: 9, alarms: 6, quiet: 8, new_alarms: 5 };
        trial.count(window, &rules.rule(true));
        let memory = ModelMemory {
            highest: ModelVersion(300),
            given_up: ModelVersion(7),
            trial: Some(trial),
            ..ModelMemory::default()
        };
        // Highest, given up, a trial (its counts; quiet verdicts and new alarms of the worst window), no hand-over.
        let expected = [1, 0xac, 0x02, 7, 1, 1, 9, 6, 8, 5, 8, 5, 0];
        assert_eq!(memory_bytes(&memory).expect("encodes"), expected);
        assert_eq!(read_memory(&expected).expect("decodes"), memory);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_memory_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(version) = bytes.first_mut() {
                *version = MEMORY_VERSION;
            }
            let _ = read_memory(&bytes);
        }
    }
}
