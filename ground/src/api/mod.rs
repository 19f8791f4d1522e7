//! The scoring API of `serve`: network events in, verdicts out, over HTTP.
//!
//! A request goes through here in this order: its key, its rate, its body, the schema, the model. Whoever has no key
//! makes the server read nothing and score nothing. `docs/api.md` is for those who call it.

mod audit;
mod batch;
mod body;
mod event;
mod gate;
mod keys;
mod model;
mod monitor;
mod openapi;
mod refusal;
mod router;
mod schema;
mod score;
mod server;
mod stamp;
mod tls;
mod verdict;

pub use audit::AuditError;
pub use keys::{KEY_VARIABLE, KeyName, Keys, KeysError};
pub use monitor::Monitor;
pub use server::{Pages, Parts, Server, ServerError};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
