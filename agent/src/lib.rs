//! The agent on the aircraft's WiFi gateway.
//!
//! The data's way, module by module: [`sources`] read datagrams and files, [`rules`] turn log lines into events,
//! [`pipeline`] counts them into windows and scores what closes, [`store`] keeps all of it in one SQLite file, and
//! [`link`] sends the outbox over MQTT and brings back acknowledgements and models, which [`model`] checks.
//! [`service`] is what they are as one process of the machine; [`diag`] gathers what support asks for.
#![forbid(unsafe_code)]

pub mod commands;
pub mod config;
pub mod diag;
pub mod link;
pub mod model;
pub mod pipeline;
pub mod rules;
pub mod service;
pub mod sources;
pub mod store;
