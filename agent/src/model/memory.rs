//! What the agent remembers about models beside the bundles themselves.

use cabinwatch_shared::model::ModelVersion;
use serde::{Deserialize, Serialize};

use super::keys::HandOvers;
use super::trial::Trial;

/// One row of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelMemory {
    /// The highest version that was ever in use; 0 for none.
    pub highest: ModelVersion,
    /// The highest version that alarmed too often; 0 for none. It is not taken again.
    pub given_up: ModelVersion,
    /// The trial of the model in use; none once it has passed.
    pub trial: Option<Trial>,
    /// Keys that handed over.
    pub hand_overs: HandOvers,
}

impl ModelMemory {
    /// What a version must exceed to be taken beside the one in use. It never goes back, and may stand still only where
    /// the newest version was lost to damage: a sound copy of it is welcome.
    #[must_use]
    pub fn floor(&self, in_use: ModelVersion) -> ModelVersion {
        in_use.max(self.given_up).max(ModelVersion(self.highest.0.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_only_go_up_but_a_damaged_one_may_come_back() {
        let memory = |highest, given_up| ModelMemory {
            highest: ModelVersion(highest),
            given_up: ModelVersion(given_up),
            ..ModelMemory::default()
        };
        assert_eq!(memory(0, 0).floor(ModelVersion(0)), ModelVersion(0));
        assert_eq!(memory(5, 0).floor(ModelVersion(5)), ModelVersion(5), "in use");
        assert_eq!(memory(5, 5).floor(ModelVersion(4)), ModelVersion(5), "rolled back");
        assert_eq!(memory(5, 0).floor(ModelVersion(4)), ModelVersion(4), "5 was damaged, 4 took its place");
        assert_eq!(memory(5, 0).floor(ModelVersion(0)), ModelVersion(4), "both were");
    }
}
