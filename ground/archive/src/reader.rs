//! A file as a stream of bytes for code that blocks.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::sync::mpsc;

use crate::bounded::Bounded;
use crate::{StorageError, runtime};

/// Most pieces that wait to be read; HDFS hands out pieces of at most 64 KiB.
const WAITING_PIECES: usize = 16;

/// Reads one file. What is read ahead is bounded; an error comes up where the file breaks off, and a file that is
/// shorter than the storage says is one.
#[derive(Debug)]
pub struct Reader {
    pieces: mpsc::Receiver<Result<Piece, StorageError>>,
    current: Bytes,
    ended: bool,
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    /// The whole file has come. Without it, a task that broke off would look like the end.
    End,
}

impl Reader {
    pub(crate) fn start(store: Arc<Bounded>, path: Path) -> Result<Self, StorageError> {
        let (sender, pieces) = mpsc::channel(WAITING_PIECES);
        runtime::handle()?.spawn(async move {
            let last = match send_pieces(&store, &path, &sender).await {
                Ok(()) => Ok(Piece::End),
                Err(error) => Err(store.naming.explain(path.as_ref(), &error)),
            };
            // A reader that was dropped needs no last word.
            let _ = sender.send(last).await;
        });
        Ok(Self { pieces, current: Bytes::new(), ended: false })
    }
}

async fn send_pieces(
    store: &Bounded,
    path: &Path,
    sender: &mpsc::Sender<Result<Piece, StorageError>>,
) -> object_store::Result<()> {
    let result = store.get(path).await?;
    let expected = result.meta.size;
    let mut stream = result.into_stream();
    let mut come = 0;
    while let Some(bytes) = stream.try_next().await? {
        come += bytes.len() as u64;
        if sender.send(Ok(Piece::Bytes(bytes))).await.is_err() {
            return Ok(());
        }
    }
    if come == expected {
        return Ok(());
    }
    let reason = format!("only {come} of {expected} bytes came");
    let error = store.naming.failed(path.as_ref(), &reason);
    Err(object_store::Error::Generic { store: "storage", source: Box::new(error) })
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Ok(Piece::Bytes(bytes))) => self.current = bytes,
                Some(Ok(Piece::End)) => self.ended = true,
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Err(io::Error::other("reading broke off")),
            }
        }
        let take = self.current.len().min(out.len());
        self.current.copy_to_slice(&mut out[..take]);
        Ok(take)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::Storage;

    fn storage(folder: &std::path::Path) -> Storage {
        let url = format!("file://{}", folder.display());
        Storage::open(&url, Duration::from_secs(10)).expect("opened")
    }

    #[test]
    fn a_file_comes_byte_by_byte_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        fs::write(folder.path().join("a file.csv"), &content).expect("written");
        let mut read = Vec::new();
        let mut reader = storage(folder.path()).read("a file.csv").expect("started");
        reader.read_to_end(&mut read).expect("read");
        assert!(read == content);
        assert_eq!(reader.read(&mut [0; 10]).expect("still at the end"), 0);
    }

    #[test]
    fn a_file_that_is_not_there_is_named_on_the_first_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut reader = storage(folder.path()).read("none.csv").expect("started");
        let error = reader.read(&mut [0; 10]).expect_err("nothing there").to_string();
        assert!(error.contains("there is no") && error.contains("none.csv"), "{error}");
    }
}
