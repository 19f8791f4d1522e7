//! The agent as a service of the machine: it tells the service manager when it is ready and that it lives, waits after
//! starts that did not last, and logs in the journal's way.
//!
//! Every thread that matters has a [`Heartbeat`]. The [`Attendant`] looks at them, and feeds the watchdog only while
//! all of them keep their promises. A process that was started by hand has nobody to tell; all of this is silent then.

mod attendant;
mod heartbeat;
mod live;
pub mod logging;
mod notify;
mod restarts;
mod unwritable;

pub use attendant::{Attendant, Watched};
pub use heartbeat::Heartbeat;
pub use live::{LiveFacts, LiveFile, LiveLink};
pub use notify::Notifier;
pub use restarts::hold_back;
pub use unwritable::UnwritableSince;
