//! Reading with a limit on every call.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::time::timeout;

use crate::error::Naming;

/// A store whose every answer comes within the limit, or is an error that says who did not give it. To DataFusion it
/// is read-only: files are written by [`crate::upload::Upload`] and deleted by [`Bounded::delete_file`] alone.
#[derive(Debug)]
pub(crate) struct Bounded {
    pub inner: Arc<dyn ObjectStore>,
    pub naming: Naming,
}

impl Bounded {
    async fn call<T>(&self, path: &Path, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        bounded(&self.naming, path, call).await
    }

    /// Deletes one file. Unlike an error of [`ObjectStore::delete_stream`], one of this says which file it is about.
    pub async fn delete_file(&self, path: &Path) -> Result<()> {
        self.call(path, self.inner.delete(path)).await
    }

    /// The same for each item of a stream.
    fn each<T: Send + 'static>(
        &self,
        path: &Path,
        stream: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let state = (stream, self.naming.clone(), path.clone(), false);
        futures::stream::unfold(state, |(mut stream, naming, path, failed)| async move {
            if failed {
                return None;
            }
            let next = bounded(&naming, &path, async { stream.try_next().await }).await.transpose()?;
            let failed = next.is_err();
            Some((next, (stream, naming, path, failed)))
        })
        .boxed()
    }
}

async fn bounded<T>(naming: &Naming, path: &Path, call: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(naming.limit, call).await {
        Ok(Ok(answer)) => Ok(answer),
        // DataFusion and `get` tell a missing file by this variant.
        Ok(Err(error @ Error::NotFound { .. })) => Err(error),
        Ok(Err(error)) => Err(generic(naming.explain(path.as_ref(), &error))),
        Err(_) => Err(generic(naming.silent(path.as_ref()))),
    }
}

fn generic(error: crate::StorageError) -> Error {
    Error::Generic { store: "storage", source: Box::new(error) }
}

fn refused<T>(operation: &str) -> Result<T> {
    Err(Error::NotImplemented { operation: operation.to_owned(), implementer: "Bounded".to_owned() })
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Bounded {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        refused("put")
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        refused("put_multipart")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut result = self.call(location, self.inner.get_opts(location, options)).await?;
        if let GetResultPayload::Stream(stream) = result.payload {
            result.payload = GetResultPayload::Stream(self.each(location, stream));
        }
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.call(location, self.inner.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        futures::stream::once(async { refused("delete_stream") }).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.each(&prefix.cloned().unwrap_or_default(), self.inner.list(prefix))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let path = prefix.cloned().unwrap_or_default();
        self.call(&path, self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        refused("copy")
    }
}
