//! A folder by its URL.

use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hdfs_native::{Client, ClientBuilder};
use hdfs_native_object_store::HdfsObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::time::timeout;
use url::Url;

use crate::bounded::Bounded;
use crate::error::Naming;
use crate::reader::Reader;
use crate::{StorageError, runtime};

/// A folder: `file:///dir`, `hdfs://host:port/dir`, or `hdfs://nameservice/dir` with the name explained by the
/// Hadoop configuration in `$HADOOP_CONF_DIR`. Copies are cheap and share connections.
#[derive(Clone, Debug)]
pub struct Storage {
    place: Place,
    /// The folder, from the root of its file system.
    base: Path,
    store: Arc<Bounded>,
    url: Url,
}

/// Where files are written.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Local(PathBuf),
    Hdfs(Client),
}

/// One file of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name, without the folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// What lies directly in a folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    /// By name.
    pub folders: Vec<String>,
    /// By name.
    pub files: Vec<ObjectMeta>,
}

/// The name of a file, without its folder.
pub(crate) fn name_of(file: &ObjectMeta) -> &str {
    file.location.filename().unwrap_or_default()
}

impl Storage {
    /// Opens a folder. Nothing is asked of a server yet. `limit` bounds every later call: each question, and each
    /// wait for a piece of a file.
    ///
    /// # Errors
    /// When the URL is none, or names no folder that can be opened.
    pub fn open(url: &str, limit: Duration) -> Result<Self, StorageError> {
        let parsed = Url::parse(url).map_err(|error| StorageError::Url {
            url: url.to_owned(),
            reason: format!("{error}; write a folder as file:///data/edr or hdfs://host:port/edr"),
        })?;
        let shown = without_password(&parsed);
        let refuse = |reason: String| StorageError::Url { url: shown.clone(), reason };
        match parsed.scheme() {
            "file" => Self::open_local(parsed, limit).map_err(refuse),
            "hdfs" => Self::open_hdfs(parsed, limit).map_err(refuse),
            other => Err(refuse(format!(
                "the scheme `{other}` is not supported; there are file:///dir and hdfs://host:port/dir"
            ))),
        }
    }

    fn open_local(url: Url, limit: Duration) -> Result<Self, String> {
        let no_path = |()| "it names no local path; write file:///data/edr".to_owned();
        let path = url.to_file_path().map_err(no_path)?;
        let base = Path::from_absolute_path(&path).map_err(|error| error.to_string())?;
        let store =
            Arc::new(Bounded { inner: Arc::new(LocalFileSystem::new()), naming: Naming::local(limit) });
        Ok(Self { place: Place::Local(path), base, store, url })
    }

    fn open_hdfs(url: Url, limit: Duration) -> Result<Self, String> {
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return Err(
                "it names no NameNode; write hdfs://host:port/dir or hdfs://nameservice/dir".to_owned()
            );
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user does not belong in the URL; set HADOOP_USER_NAME".to_owned());
        }
        let root = match url.port() {
            Some(port) => format!("hdfs://{host}:{port}"),
            None => format!("hdfs://{host}"),
        };
        let runtime = runtime::handle().map_err(|error| error.to_string())?.clone();
        let client = ClientBuilder::new().with_url(root).with_io_runtime(runtime).build();
        let client = client.map_err(|error| {
            format!(
                "{error}; a name without a port is a nameservice, for which HADOOP_CONF_DIR must name the folder \
                 of core-site.xml and hdfs-site.xml"
            )
        })?;
        let base = Path::from_url_path(url.path()).map_err(|error| error.to_string())?;
        let inner: Arc<dyn ObjectStore> = Arc::new(HdfsObjectStore::new(client.clone()));
        let store = Arc::new(Bounded { inner, naming: Naming::hdfs(&url, limit) });
        Ok(Self { place: Place::Hdfs(client), base, store, url })
    }

    /// The URL it was opened by.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The folder on this machine, if it is one.
    #[must_use]
    pub fn local_folder(&self) -> Option<&LocalPath> {
        match &self.place {
            Place::Local(path) => Some(path),
            Place::Hdfs(_) => None,
        }
    }

    /// The files that lie directly in the folder, by name.
    ///
    /// # Errors
    /// When the folder is not there or cannot be listed.
    pub fn files(&self) -> Result<Vec<Entry>, StorageError> {
        let storage = self.clone();
        let entry = |file: &ObjectMeta| Entry { name: name_of(file).to_owned(), bytes: file.size };
        runtime::wait(async move { Ok(storage.list("").await?.files.iter().map(entry).collect()) })
    }

    /// Begins to read a file, ahead of whoever reads from what is returned: a few files can be under way at once.
    /// That the file is not there shows on the first read.
    ///
    /// # Errors
    /// When there are no threads to read on.
    pub fn read(&self, name: &str) -> Result<Reader, StorageError> {
        Reader::start(Arc::clone(&self.store), self.path(name))
    }

    /// The whole path of a file as the store knows it, of a name as the store lists it.
    pub(crate) fn path(&self, name: &str) -> Path {
        // Not `Path::join`: it would encode what is encoded already.
        Path::parse(format!("{}/{name}", self.base)).unwrap_or_else(|_| self.base.clone().join(name))
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn store(&self) -> &Arc<Bounded> {
        &self.store
    }

    pub(crate) fn naming(&self) -> &Naming {
        &self.store.naming
    }

    /// What DataFusion knows the store by: the URL without its path.
    pub(crate) fn store_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path("/");
        url
    }

    /// What lies directly in a folder below this one, or in this one.
    pub(crate) async fn list(&self, folder: &str) -> Result<Listing, StorageError> {
        let path = self.path(folder);
        self.must_be_there(folder, &path).await?;
        let listed = self.store.list_with_delimiter(Some(&path)).await;
        let listed = listed.map_err(|error| self.naming().explain(path.as_ref(), &error))?;
        let mut files = listed.objects;
        files.sort_by(|a, b| a.location.cmp(&b.location));
        let name = |path: &Path| path.filename().unwrap_or_default().to_owned();
        let mut folders: Vec<_> = listed.common_prefixes.iter().map(name).collect();
        folders.sort();
        Ok(Listing { folders, files })
    }

    /// Object stores list a folder that is not there as an empty one.
    async fn must_be_there(&self, folder: &str, path: &Path) -> Result<(), StorageError> {
        let naming = self.naming();
        let is_folder = match &self.place {
            Place::Local(base) => {
                let metadata = tokio::fs::metadata(base.join(folder)).await;
                metadata.map_err(|error| naming.explain(path.as_ref(), &error))?.is_dir()
            }
            Place::Hdfs(client) => {
                let absolute = format!("/{path}");
                let asked = timeout(naming.limit, client.get_file_info(&absolute)).await;
                let asked = asked.map_err(|_| naming.silent(path.as_ref()))?;
                asked.map_err(|error| naming.explain_hdfs(path.as_ref(), &error))?.isdir
            }
        };
        if is_folder { Ok(()) } else { Err(naming.failed(path.as_ref(), &"it is no folder")) }
    }

    /// Deletes a file; one that is gone already is no error.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), StorageError> {
        let path = self.path(name);
        match self.store.delete_file(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.naming().explain(path.as_ref(), &error)),
        }
    }

    /// The length of a file.
    pub(crate) async fn bytes_of(&self, name: &str) -> Result<u64, StorageError> {
        let path = self.path(name);
        let head = self.store.head(&path).await;
        head.map(|meta| meta.size).map_err(|error| self.naming().explain(path.as_ref(), &error))
    }
}

/// As it may stand in a message.
fn without_password(url: &Url) -> String {
    let mut shown = url.clone();
    // Only a URL that cannot hold a password refuses to be without one.
    let _ = shown.set_password(None);
    shown.into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn urls_that_cannot_be_opened_say_what_to_write() {
        for (url, says) in [
            ("/data/edr", "file:///data/edr or hdfs://host:port/edr"),
            ("s3://bucket/edr", "`s3` is not supported"),
            ("file://elsewhere/edr", "no local path"),
            ("hdfs:///edr", "no NameNode"),
            ("hdfs://me@host:8020/edr", "HADOOP_USER_NAME"),
        ] {
            let error = Storage::open(url, LIMIT).expect_err("refused").to_string();
            assert!(error.contains(says) && error.contains(url), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        for url in ["hdfs://me:hunter2@host:8020/edr", "s3://key:hunter2@bucket/edr"] {
            let error = Storage::open(url, LIMIT).expect_err("refused").to_string();
            assert!(!error.contains("hunter2") && error.contains("/edr"), "{error}");
        }
    }

    #[test]
    fn a_folder_lists_its_files_and_not_those_below() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("below")).expect("a folder");
        fs::write(folder.path().join("below/c"), "c").expect("written");
        fs::write(folder.path().join("b b.csv"), "bytes").expect("written");
        let storage = Storage::open(&format!("file://{}", folder.path().display()), LIMIT).expect("opened");
        let files: Vec<_> =
            storage.files().expect("listed").into_iter().map(|file| (file.name, file.bytes)).collect();
        assert_eq!(files, [("b b.csv".to_owned(), 5)]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let storage = Storage::open("file:///no/such/folder", LIMIT).expect("opened");
        assert_eq!(storage.files(), Err(StorageError::NotFound("/no/such/folder".to_owned())));
    }

    #[test]
    fn a_name_node_that_refuses_or_never_answers_is_an_error_that_names_it() {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let refusing = {
            let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
            closed.local_addr().expect("an address")
        };
        let silent_at = silent.local_addr().expect("an address");
        for (address, limit, says) in [
            (refusing, LIMIT, "cannot reach the HDFS NameNode"),
            (silent_at, Duration::from_millis(300), "no answer for 0.3 s from the HDFS NameNode"),
        ] {
            let start = Instant::now();
            let storage = Storage::open(&format!("hdfs://{address}/edr"), limit).expect("opened");
            let error = storage.files().expect_err("nobody is there").to_string();
            assert!(error.contains(says) && error.contains(&address.to_string()), "{error}");
            // Far above the limit, far below the minutes that a client without one would wait.
            assert!(start.elapsed() < Duration::from_secs(30));
        }
    }
}
