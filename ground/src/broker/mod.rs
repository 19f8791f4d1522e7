//! The MQTT broker: how the ground connects to one, publishes through one, and runs one for development.

mod connection;
mod embedded;
mod options;
mod publish;
mod session;

pub use connection::{Connection, Delivery, LinkEvent};
pub use embedded::{Embedded, EmbeddedError};
pub use options::{BrokerError, PASSWORD_VARIABLE, consumer_options, publisher_options};
pub use publish::{PublishError, publish_retained};
