//! The ground service.
