//! Reports by SMTP, on a real mail server that does what mail servers do: refuse, delay, stall and cut the line.
//!
//! The oracle is the server: it counts how often each recipient got each mail.

mod delivery;
mod desk;
mod faults;
mod kill;
mod spool;
