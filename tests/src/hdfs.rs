//! HDFS as two child processes, a NameNode and a DataNode, each of which can be killed and comes back.
//!
//! `tests/scripts/setup.sh` fetches Hadoop's jars and compiles the program of `tests/parts/hdfs` into `.cache/hdfs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::broker::free_port;
use crate::parts;
use crate::process::Process;
use crate::program::Ended;

/// What `HdfsNode.java` prints when it serves.
const READY: &str = "READY\n";

/// HDFS on loopback, empty at first.
#[derive(Debug)]
pub struct Hdfs {
    folder: PathBuf,
    port: u16,
    /// Knows names, and which blocks a file has.
    pub name_node: Process,
    /// Holds the blocks.
    pub data_node: Process,
}

impl Hdfs {
    /// Starts both nodes and waits until files can be written.
    ///
    /// # Panics
    /// When they do not come up, or `setup.sh` has not been run.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        // The servers' pages are part of Hadoop's distribution, not of its jars; they only have to exist.
        for name in ["pages/webapps/hdfs", "pages/webapps/datanode", "pages/webapps/static", "conf", "tmp"] {
            fs::create_dir_all(folder.join(name)).expect("the folder can be made");
        }
        let port = free_port();
        write_settings(folder, port);
        let node = |role: &str| {
            let mut command = java(folder, "HdfsNode");
            command.arg(role);
            Process::new(command, &folder.join(format!("{role}.log"))).ready_when_it_says(READY)
        };
        let (name_node, data_node) = (node("namenode"), node("datanode"));
        let mut hdfs = Self { folder: folder.to_owned(), port, name_node, data_node };
        hdfs.start_both();
        hdfs
    }

    /// A folder on it, as the configurations want it.
    #[must_use]
    pub fn url(&self, folder: &str) -> String {
        format!("hdfs://{}/{folder}", self.address())
    }

    /// The same folder by the logical name that only [`Self::client_settings`] explains.
    #[must_use]
    pub fn logical_url(&self, folder: &str) -> String {
        format!("hdfs://lake/{folder}")
    }

    /// Host and port of the NameNode.
    #[must_use]
    pub fn address(&self) -> String {
        address(self.port)
    }

    /// A folder for `HADOOP_CONF_DIR`.
    #[must_use]
    pub fn client_settings(&self) -> PathBuf {
        self.folder.join("conf")
    }

    /// Starts both nodes, and waits until files can be read and written. A NameNode alone is not ready before a
    /// DataNode has come.
    ///
    /// # Panics
    /// When they do not come up.
    pub fn start_both(&mut self) {
        Process::start_together(&mut [&mut self.name_node, &mut self.data_node]);
    }

    /// Hadoop's own client: `-put`, `-ls`, `-get` and the like; what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn shell(&self, arguments: &[&str]) -> String {
        let mut command = java(&self.folder, "org.apache.hadoop.fs.FsShell");
        Ended::well(command.args(arguments))
    }

    /// Puts a local folder there under another name.
    ///
    /// # Panics
    /// When it cannot.
    pub fn put(&self, local: &Path, folder: &str) {
        self.shell(&["-put", &local.display().to_string(), &format!("/{folder}")]);
    }

    /// Paths of all files below a folder, sorted.
    ///
    /// # Panics
    /// When it cannot be listed.
    #[must_use]
    pub fn files(&self, folder: &str) -> Vec<String> {
        let listed = self.shell(&["-ls", "-R", "-C", &format!("/{folder}")]);
        let mut files: Vec<String> =
            listed.lines().filter(|line| line.contains('.')).map(str::to_owned).collect();
        files.sort();
        files
    }
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn java(folder: &Path, main: &str) -> Command {
    let fetched = parts::fetched("hdfs");
    let (folder, fetched) = (folder.display(), fetched.display());
    let mut command = Command::new("java");
    command
        .args(["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .args(["-Djava.net.preferIPv4Stack=true", "--add-opens", "java.base/java.lang=ALL-UNNAMED"])
        // Nothing is left behind in the system's folder for temporary files.
        .args([&format!("-Djava.io.tmpdir={folder}/tmp"), "-XX:-UsePerfData"])
        .args(["-cp", &format!("{folder}/conf:{folder}/pages:{fetched}/classes:{fetched}/lib/*"), main])
        .env_remove("HADOOP_CONF_DIR");
    command
}

fn write_settings(folder: &Path, port: u16) {
    let mut places = vec![
        ("@FOLDER@".to_owned(), folder.display().to_string()),
        ("@NAME_NODE@".to_owned(), address(port)),
    ];
    places.extend((1..=4).map(|number| (format!("@PORT_{number}@"), free_port().to_string())));
    for file in ["core-site.xml", "hdfs-site.xml", "log4j.properties"] {
        let template = fs::read_to_string(parts::own("hdfs").join(file)).expect("the part is there");
        let settings = places.iter().fold(template, |text, (place, value)| text.replace(place, value));
        fs::write(folder.join("conf").join(file), settings).expect("the configuration can be written");
    }
}
