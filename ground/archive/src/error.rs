//! What can go wrong with a folder, as one sentence each.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use hdfs_native::HdfsError;

/// Why a folder, or a file in it, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The URL names no folder that can be opened.
    #[error("cannot use `{url}`: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such file or folder.
    #[error("there is no {0}")]
    NotFound(String),
    /// Nobody takes a connection.
    #[error(
        "cannot reach {server}: {reason}; is HDFS up, and does the address hold host and port of its RPC?"
    )]
    Unreachable {
        /// Who, as far as is known.
        server: String,
        /// What the system said.
        reason: String,
    },
    /// No answer within the limit.
    #[error(
        "no answer for {} s from {server} or its DataNodes ({path}): are they up, and reachable from this machine? history.timeout_seconds sets the limit",
        limit.as_secs_f32()
    )]
    Silent {
        /// Which NameNode.
        server: String,
        /// What was asked for.
        path: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The NameNode knows the file, but nobody hands out its blocks.
    #[error(
        "no DataNode that holds {path} can be read from ({data_nodes}): are they up, and reachable from this machine?"
    )]
    NoDataNode {
        /// The file.
        path: String,
        /// Their addresses.
        data_nodes: String,
    },
    /// Anything else that the storage refuses.
    #[error("{path}: {reason}")]
    Failed {
        /// What was asked for.
        path: String,
        /// What the storage said.
        reason: String,
    },
}

/// How messages call a storage and the files on it.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    /// `hdfs://host:port`, or nothing on this machine.
    root: String,
    /// Who answers there.
    server: String,
    /// How long one call may take.
    pub limit: Duration,
}

impl Naming {
    pub fn local(limit: Duration) -> Self {
        Self { root: String::new(), server: "the file system".to_owned(), limit }
    }

    pub fn hdfs(url: &url::Url, limit: Duration) -> Self {
        let host = url.host_str().unwrap_or_default();
        let (root, server) = match url.port() {
            Some(port) => (format!("hdfs://{host}:{port}"), format!("the HDFS NameNode {host}:{port}")),
            None => (format!("hdfs://{host}"), format!("any HDFS NameNode of `{host}` in $HADOOP_CONF_DIR")),
        };
        Self { root, server, limit }
    }

    /// A path without its leading slash, in full.
    pub fn full(&self, path: &str) -> String {
        format!("{}/{path}", self.root)
    }

    pub fn silent(&self, path: &str) -> StorageError {
        StorageError::Silent { server: self.server.clone(), path: self.full(path), limit: self.limit }
    }

    pub fn failed(&self, path: &str, reason: &dyn fmt::Display) -> StorageError {
        StorageError::Failed { path: self.full(path), reason: reason.to_string() }
    }

    /// Finds among the causes of an error the one that tells most.
    pub fn explain(&self, path: &str, error: &(dyn Error + 'static)) -> StorageError {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(known) = error.downcast_ref::<StorageError>() {
                return known.clone();
            }
            if let Some(known) = error.downcast_ref::<HdfsError>() {
                return self.explain_hdfs(path, known);
            }
            if let Some(object_store::Error::NotFound { .. }) = error.downcast_ref() {
                return StorageError::NotFound(self.full(path));
            }
            cause = match error.downcast_ref::<std::io::Error>() {
                Some(known) if known.kind() == std::io::ErrorKind::NotFound => {
                    return StorageError::NotFound(self.full(path));
                }
                // The source of such an error is the source of what it wraps.
                Some(known) => known.get_ref().map(|wrapped| wrapped as &(dyn Error + 'static)),
                None => error.source(),
            };
        }
        self.failed(path, &error)
    }

    /// What went wrong while the bytes of a file were written. They go to DataNodes, and which of them, the NameNode is
    /// asked: an error of the network does not say whom it is about.
    pub fn explain_writing(&self, path: &str, error: &HdfsError) -> StorageError {
        match error {
            HdfsError::IOError(reason) => StorageError::Unreachable {
                server: format!("{} or one of its DataNodes", self.server),
                reason: reason.to_string(),
            },
            other => self.explain_hdfs(path, other),
        }
    }

    /// What a NameNode did not do, or what reading came to.
    pub fn explain_hdfs(&self, path: &str, error: &HdfsError) -> StorageError {
        match error {
            HdfsError::IOError(reason) => {
                StorageError::Unreachable { server: self.server.clone(), reason: reason.to_string() }
            }
            HdfsError::FileNotFound(_) => StorageError::NotFound(self.full(path)),
            HdfsError::DataTransferError(reason) if reason.starts_with("All DataNodes failed") => {
                StorageError::NoDataNode { path: self.full(path), data_nodes: addresses(reason) }
            }
            // What follows the first line is a stack trace of the server's.
            HdfsError::RPCError(_, reason) | HdfsError::FatalRPCError(_, reason) => {
                self.failed(path, &reason.lines().next().unwrap_or_default())
            }
            other => self.failed(path, &other),
        }
    }
}

/// The addresses in the debug text of block locations, which is all that the client tells of them.
fn addresses(text: &str) -> String {
    let hosts = text.split("ip_addr: \"").skip(1).filter_map(|rest| rest.split('"').next());
    let ports = text.split("xfer_port: ").skip(1).filter_map(|rest| rest.split([',', ' ']).next());
    let addresses: Vec<_> = hosts.zip(ports).map(|(host, port)| format!("{host}:{port}")).collect();
    if addresses.is_empty() { "none is known".to_owned() } else { addresses.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn naming() -> Naming {
        Naming::hdfs(&"hdfs://nn:8020/edr".parse().expect("a URL"), Duration::from_secs(10))
    }

    #[test]
    fn a_name_node_that_refuses_is_named() {
        let refused = HdfsError::IOError(io::Error::from(io::ErrorKind::ConnectionRefused));
        let hidden = object_store::Error::Generic { store: "x", source: Box::new(refused) };
        let text = naming().explain("edr", &hidden).to_string();
        assert!(text.starts_with("cannot reach the HDFS NameNode nn:8020: connection refused"), "{text}");
    }

    #[test]
    fn a_line_that_breaks_while_a_file_is_written_is_not_laid_to_the_name_node_alone() {
        let refused = HdfsError::IOError(io::Error::from(io::ErrorKind::ConnectionRefused));
        let text = naming().explain_writing("archive/a", &refused).to_string();
        assert!(
            text.starts_with("cannot reach the HDFS NameNode nn:8020 or one of its DataNodes: "),
            "{text}"
        );
    }

    #[test]
    fn data_nodes_that_are_gone_are_named() {
        let text = "All DataNodes failed: [X { id: Y { ip_addr: \"10.0.0.7\", host_name: \"a\", xfer_port: 9866, z: 1 } }]";
        let error = naming().explain("edr/a.csv", &HdfsError::DataTransferError(text.to_owned()));
        let expected = StorageError::NoDataNode {
            path: "hdfs://nn:8020/edr/a.csv".to_owned(),
            data_nodes: "10.0.0.7:9866".to_owned(),
        };
        assert_eq!(error, expected);
    }

    #[test]
    fn a_refusal_of_the_server_is_cut_to_its_first_line() {
        let refusal = "Permission denied: user=x\n\tat org.apache.hadoop.Y";
        let error = HdfsError::RPCError("E".to_owned(), refusal.to_owned());
        assert_eq!(
            naming().explain("edr", &error).to_string(),
            "hdfs://nn:8020/edr: Permission denied: user=x"
        );
    }

    #[test]
    fn a_sentence_found_once_is_kept_through_other_layers() {
        let inner = naming().silent("edr/a.csv");
        let wrapped = object_store::Error::Generic { store: "x", source: Box::new(inner.clone()) };
        assert_eq!(naming().explain("other", &io::Error::other(wrapped)), inner);
        assert!(inner.to_string().contains("for 10 s from the HDFS NameNode nn:8020"), "{inner}");
    }
}
