//! The MQTT broker: how the ground connects to one, publishes through one, and runs one for development.

mod connection;
mod embedded;
mod options;
mod publisher;
mod session;

pub use connection::{Connection, Delivery, LinkEvent};
pub use embedded::{Embedded, EmbeddedError};
pub use options::{BrokerError, PASSWORD_VARIABLE, consumer, publisher as publisher_options};
pub use publisher::{PublishError, publish_retained};
