//! The driver is asynchronous and [`Tables`](crate::tables::Tables) is not: a runtime of the driver's own.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

use crate::tables::TablesError;

/// Threads that the driver's connections run on, beside whatever runtime the caller may have.
#[derive(Debug)]
pub(super) struct DriverRuntime(Option<Runtime>);

impl DriverRuntime {
    pub fn start() -> Result<Self, TablesError> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("cassandra").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Waits for a future on the caller's thread, which may block. Tokio's own `block_on` would panic on a thread
    /// that drives another runtime, and a caller may be one. There, a task may only do so much before others have
    /// their turn; but no other gets one while this waits, so that limit must not hold for it.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let _entered = self.0.as_ref().map(Runtime::enter);
        futures::executor::block_on(tokio::task::unconstrained(future))
    }
}

/// Dropping a runtime waits for its threads, and panics within another runtime; this does neither.
impl Drop for DriverRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
