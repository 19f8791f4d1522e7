//! The whole path on one machine, in one command: three aircraft, a broker, the ground, and a fault that is known.
//!
//! A simulated history trains a model; three agents, the real program, count events of a flight that takes hours and
//! is played in seconds; the model reaches them over MQTT on the way; and what the detectors then find is compared with
//! the faults that were put in. One aircraft is fed the log lines of a real gateway, two are simulated. Everything
//! listens on loopback (the dashboard elsewhere if told so) or on sockets in the folder, and nothing is left running.
//!
//! | module | what |
//! | --- | --- |
//! | `timeline` | which hours are played, and how fast |
//! | `feed`, `gateway` | the datagrams each agent gets |
//! | `agent` | an agent's process |
//! | `ground` | broker, ingest and model on this side |
//! | `dashboard` | the page to watch it on |
//! | `outcome` | what was found of what was injected |

mod agent;
mod dashboard;
mod error;
mod feed;
mod folder;
mod gateway;
mod ground;
mod outcome;
mod progress;
mod stages;
mod timeline;

pub use dashboard::Dashboard;
pub use error::DemoError;
pub use outcome::{Found, Injected, Outcome};
pub use stages::{Demo, Ended, Settings};
