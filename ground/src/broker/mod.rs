//! The MQTT broker: how the ground connects to one, publishes through one, configures one for a fleet, and runs one
//! for development.

mod connection;
mod consumer;
mod embedded;
pub mod fleet;
mod options;
mod publish;
mod refusal;

pub use connection::{Connection, Delivery, Ending, LinkEvent};
pub use consumer::Consumer;
pub use embedded::{Embedded, EmbeddedError};
pub(crate) use options::MAX_PACKET_BYTES;
pub use options::{BrokerError, consumer_options, publisher_options};
pub use publish::{PublishError, publish_retained};
