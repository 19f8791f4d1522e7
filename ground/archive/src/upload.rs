//! Writing a file so that it is there whole, and on disk, or not at all.

use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;
use hdfs_native::file::FileWriter;
use hdfs_native::{Client, WriteOptions};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::StorageError;
use crate::error::Naming;
use crate::storage::{Place, Storage};

/// What the names of files begin with that are not whole yet.
pub(crate) const UNFINISHED: &str = ".";

/// A file that is being written, under a hidden name until [`Upload::finish`].
pub(crate) struct Upload {
    naming: Naming,
    /// The final path, for messages.
    path: String,
    target: Target,
}

enum Target {
    Local { file: File, hidden: PathBuf, path: PathBuf, folders: Vec<PathBuf> },
    Hdfs { client: Client, writer: Box<FileWriter>, hidden: String, path: String },
}

impl Upload {
    /// Begins a file of a folder that need not be there yet. The name must be one that nobody else uses.
    pub async fn begin(storage: &Storage, folder: &str, name: &str) -> Result<Self, StorageError> {
        let naming = storage.naming().clone();
        let path = storage.path(&format!("{folder}/{name}")).to_string();
        let target = match storage.place() {
            Place::Local(base) => {
                begin_local(base, folder, name).await.map_err(|error| naming.failed(&path, &error))?
            }
            Place::Hdfs(client) => {
                let hidden = format!("/{}", storage.path(&format!("{folder}/{UNFINISHED}{name}")));
                let created = timeout(naming.limit, client.create(&hidden, WriteOptions::default())).await;
                let created = created.map_err(|_| naming.silent(&path))?;
                let writer = created.map_err(|error| naming.explain_hdfs(&path, &error))?;
                Target::Hdfs {
                    client: client.clone(),
                    writer: Box::new(writer),
                    hidden,
                    path: format!("/{path}"),
                }
            }
        };
        Ok(Self { naming, path, target })
    }

    /// Appends bytes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        match &mut self.target {
            Target::Local { file, .. } => {
                file.write_all(&bytes).await.map_err(|error| self.naming.failed(&self.path, &error))
            }
            Target::Hdfs { writer, .. } => {
                let written = timeout(self.naming.limit, writer.write(bytes)).await;
                let written = written.map_err(|_| self.naming.silent(&self.path))?;
                written.map(drop).map_err(|error| self.naming.explain_writing(&self.path, &error))
            }
        }
    }

    /// Makes the file visible under its name. After an error it may be there or not.
    pub async fn finish(&mut self) -> Result<(), StorageError> {
        match &mut self.target {
            Target::Local { file, hidden, path, folders } => {
                let finished = finish_local(file, hidden, path, folders).await;
                finished.map_err(|error| self.naming.failed(&self.path, &error))
            }
            Target::Hdfs { client, writer, hidden, path } => {
                // A file that is closed is on as many DataNodes as HDFS wants; whether in their memory or on their
                // disks is for their configuration to say (dfs.datanode.synconclose).
                let close = async {
                    writer.close().await?;
                    client.rename(hidden, path, false).await
                };
                let closed = timeout(self.naming.limit, close).await;
                let closed = closed.map_err(|_| self.naming.silent(&self.path))?;
                closed.map_err(|error| self.naming.explain_writing(&self.path, &error))
            }
        }
    }
}

/// Tries to remove a file that could not be finished; what stays behind is hidden, and swept up by compaction.
pub(crate) async fn abandon(
    storage: &Storage,
    folder: &str,
    name: &str,
    error: StorageError,
) -> StorageError {
    // A server that does not answer would only take as long again. One that cannot be reached may be a DataNode.
    if !matches!(error, StorageError::Silent { .. }) {
        let _ = storage.delete(&format!("{folder}/{UNFINISHED}{name}")).await;
    }
    error
}

/// Writes a whole file.
pub(crate) async fn put(
    storage: &Storage,
    folder: &str,
    name: &str,
    bytes: Bytes,
) -> Result<(), StorageError> {
    let written = async {
        let mut upload = Upload::begin(storage, folder, name).await?;
        upload.write(bytes).await?;
        upload.finish().await
    };
    match written.await {
        Ok(()) => Ok(()),
        Err(error) => Err(abandon(storage, folder, name, error).await),
    }
}

async fn begin_local(base: &FilePath, folder: &str, name: &str) -> std::io::Result<Target> {
    let folder = base.join(folder);
    let folders = folders_to_sync(base, &folder).await?;
    tokio::fs::create_dir_all(&folder).await?;
    let hidden = folder.join(format!("{UNFINISHED}{name}"));
    let file = File::create_new(&hidden).await?;
    Ok(Target::Local { file, hidden, path: folder.join(name), folders })
}

/// The folders in which a name is new: the file's own, the one above it, which another process may have put it into a
/// moment ago and not synced yet, and all further ones that are about to be made.
async fn folders_to_sync(base: &FilePath, folder: &FilePath) -> std::io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for above in folder.ancestors().filter(|above| !above.as_os_str().is_empty()) {
        folders.push(above.to_owned());
        if base.starts_with(above) && tokio::fs::try_exists(above).await? {
            break;
        }
    }
    Ok(folders)
}

async fn finish_local(
    file: &mut File,
    hidden: &FilePath,
    path: &FilePath,
    folders: &[PathBuf],
) -> std::io::Result<()> {
    file.flush().await?;
    file.sync_all().await?;
    tokio::fs::rename(hidden, path).await?;
    // Names must survive as well as bytes.
    for folder in folders {
        File::open(folder).await?.sync_all().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_that_gets_a_new_name_is_synced_and_none_above() {
        let root = tempfile::tempdir().expect("a folder");
        let base = root.path().join("data/archive");
        let day = base.join("day=2026-11-21");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let folders = || runtime.block_on(folders_to_sync(&base, &day)).expect("readable");
        let nothing_there =
            [&day, &base, &root.path().join("data"), &root.path().to_owned()].map(Clone::clone);
        assert_eq!(folders(), nothing_there);
        std::fs::create_dir_all(&day).expect("made");
        assert_eq!(folders(), [day.clone(), base.clone()]);
    }
}
