//! The runtime that the network lives on.

use std::future::Future;
use std::io;
use std::sync::{LazyLock, mpsc};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::StorageError;

/// One for the process and never shut down: `hdfs-native` keeps idle connections to DataNodes for the whole process,
/// and a connection dies with the runtime it was made on.
static RUNTIME: LazyLock<io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().thread_name("storage").enable_all().build());

pub(crate) fn handle() -> Result<&'static Handle, StorageError> {
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => {
            Err(StorageError::Failed { path: "storage".to_owned(), reason: format!("no threads: {error}") })
        }
    }
}

/// Runs a future there and waits for it. Unlike `Runtime::block_on` this also works on a thread of another runtime.
pub(crate) fn wait<T: Send + 'static>(
    future: impl Future<Output = Result<T, StorageError>> + Send + 'static,
) -> Result<T, StorageError> {
    let (done, result) = mpsc::sync_channel(1);
    handle()?.spawn(async move {
        // Nobody is left to hear it only when the waiting thread is gone.
        let _ = done.send(future.await);
    });
    let broken =
        |_| StorageError::Failed { path: "storage".to_owned(), reason: "a task broke off".to_owned() };
    result.recv().map_err(broken)?
}
