//! HTTP servers that anybody may connect to: everything a client can make them hold is bounded.

mod answer;
mod connection;
mod linger;
mod server;
mod stop;
mod taken;

pub(crate) use answer::json;
pub(crate) use connection::Limits;
pub(crate) use server::{Listen, Site, TlsSource};
pub use server::{ListenError, Server};
pub use stop::Stop;

#[cfg(test)]
mod tests;
