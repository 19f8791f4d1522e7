//! Whose signature is believed: the configured keys, and those they handed over to. `docs/adr/0011-keys-that-hand-over.md`
//! gives the reasons.

use cabinwatch_shared::model::{PublicKey, SignedBundle};
use serde::{Deserialize, Serialize};

/// Most hand-overs that are kept. There is no reason to come near it; beyond it the engineer pins the keys of the day.
const MAX_KEPT: usize = 64;

/// One key that stepped down, and the one that took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// The key that is believed no more.
    pub old: PublicKey,
    /// The key in its place.
    pub new: PublicKey,
}

/// Every hand-over this agent has taken part in. Each key has at most one successor, and none that stepped down is
/// anybody's successor, so every line has an end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HandOvers(Vec<Succession>);

/// Why a hand-over is not followed, although its signatures are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandOverError {
    /// What stepped down stays down: else an old hand-over, sent again, could undo a newer one.
    #[error("it hands over to a key that has stepped down before, and that is not believed again")]
    SteppedDown,
    /// Too many to keep.
    #[error("{MAX_KEPT} hand-overs are kept already; pin the present keys in `model.trusted_keys`")]
    TooMany,
}

impl HandOvers {
    /// The keys that are believed now: each configured key, or the last one in line after it.
    #[must_use]
    pub fn believed(&self, configured: &[PublicKey]) -> Vec<PublicKey> {
        let mut keys: Vec<PublicKey> = Vec::new();
        for key in configured {
            let last = self.line(*key).last().unwrap_or(*key);
            if !keys.contains(&last) {
                keys.push(last);
            }
        }
        keys
    }

    /// The configured keys and all that came after them: what is in the database already was believed when it came, and
    /// stays good until the configuration names other keys.
    #[must_use]
    pub fn believed_once(&self, configured: &[PublicKey]) -> Vec<PublicKey> {
        configured.iter().flat_map(|key| self.line(*key)).collect()
    }

    /// A key and its successors, in order.
    fn line(&self, key: PublicKey) -> impl Iterator<Item = PublicKey> + '_ {
        let next = |key: &PublicKey| self.0.iter().find(|step| step.old == *key).map(|step| step.new);
        // The bound never matters to what this agent wrote; it is for a file that something else wrote.
        std::iter::successors(Some(key), next).take(MAX_KEPT + 1)
    }

    /// What there would be after a bundle that was verified against [`Self::believed`].
    ///
    /// # Errors
    /// When it may not be followed.
    pub fn after(&self, bundle: &SignedBundle<'_>, configured: &[PublicKey]) -> Result<Self, HandOverError> {
        let believed = self.believed(configured);
        let mut after = self.clone();
        for step in bundle.hand_overs().skip_while(|step| !believed.contains(&step.from)) {
            if after.0.iter().any(|kept| kept.old == step.to) {
                return Err(HandOverError::SteppedDown);
            }
            if after.0.len() >= MAX_KEPT {
                return Err(HandOverError::TooMany);
            }
            after.0.push(Succession { old: step.from, new: step.to });
        }
        Ok(after)
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn kept(&self) -> &[Succession] {
        &self.0
    }
}
