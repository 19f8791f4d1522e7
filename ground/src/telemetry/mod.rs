//! Network telemetry: what the REST scorer takes in, how it is scored, and how its model is trained.
//!
//! [`read_event`] reads an event as today's FastAPI scorer does, [`Scorer`] says how far it stands out, and
//! [`training`] makes the model file from a CSV. `docs/telemetry.md` tells it from the user's side.

mod echo;
mod encoding;
mod event;
mod features;
mod integer;
mod json;
mod model;
mod problem;
mod read;
mod scorer;
#[cfg(test)]
mod tests;
pub mod training;

pub use event::{Event, Field};
pub use features::{Feature, Scaling};
pub use model::{DecodeError, MAX_MODEL_BYTES, MAX_PROTOCOLS, MODEL_FILE, MODEL_VERSION, ModelId};
pub use problem::{Location, Problem};
pub use read::{MAX_NESTING, MAX_TEXT, read_event, undeclared_body};
pub use scorer::{DecisionScore, ModelError, Scored, Scorer};
