//! Log lines of the gateway's daemons become events.
//!
//! The way of a line: [`LogLine`] splits off the syslog header, the [`RuleSet`] names the daemon and finds the first
//! rule that fits the message, and the [`Interpreter`] remembers what one line alone cannot tell: which association
//! a failed handshake belongs to, and which lines are two reports of one thing.
//!
//! An event's texts come from the rule files alone, never from a line. So no address, user or host name can reach
//! an event's key, and the number of distinct keys is bounded by the rule files. `docs/rules.md` is the reference.

mod file;
mod forms;
mod interpreter;
mod line;
mod request;
mod set;
mod stamp;
mod station;

pub use file::{Daemon, RuleError};
pub use interpreter::{Interpreter, LineOutcome};
pub use line::{Hints, LogLine, MAX_LINE_BYTES};
pub use set::RuleSet;
