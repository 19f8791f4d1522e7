//! The scoring API of `serve`: network events in, verdicts out, over HTTP.
//!
//! A request goes through here in this order: its key, its rate, its body, the schema, the model. Whoever has no key
//! makes the server read nothing and score nothing. `docs/api.md` is for those who call it.

mod body;
mod gate;
mod keys;
mod refusal;
mod router;
mod server;

pub use keys::{KEY_VARIABLE, KeyName, Keys, KeysError};
pub use server::{Parts, Server, ServerError};

#[cfg(test)]
mod tests;
