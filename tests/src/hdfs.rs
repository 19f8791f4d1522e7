//! HDFS as two child processes, a NameNode and a DataNode, each of which can be killed and comes back.
//!
//! `tests/scripts/setup.sh` fetches Hadoop's jars and compiles the program of `tests/parts/hdfs` into `.cache/hdfs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::broker::free_port;
use crate::parts;
use crate::program::{Ended, Running};
use crate::wait::eventually;

const READY: &str = "READY";
/// Far above what a busy machine takes to start a node.
const READY_LIMIT: Duration = Duration::from_secs(180);

/// A node of HDFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// Knows names and which blocks a file has.
    NameNode,
    /// Holds the blocks.
    DataNode,
}

/// HDFS on loopback, empty at first.
#[derive(Debug)]
pub struct Hdfs {
    folder: PathBuf,
    port: u16,
    name_node: Option<Running>,
    data_node: Option<Running>,
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
        let mut hdfs =
            Self { folder: folder.to_owned(), port: free_port(), name_node: None, data_node: None };
        hdfs.write_settings();
        hdfs.restart();
        hdfs
    }

    /// A folder on it, as the configurations want it.
    #[must_use]
    pub fn url(&self, folder: &str) -> String {
        format!("hdfs://{}/{folder}", self.name_node())
    }

    /// The same folder by the logical name that only [`Self::client_settings`] explains.
    #[must_use]
    pub fn logical_url(&self, folder: &str) -> String {
        format!("hdfs://lake/{folder}")
    }

    /// Host and port of the NameNode.
    #[must_use]
    pub fn name_node(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A folder for `HADOOP_CONF_DIR`.
    #[must_use]
    pub fn client_settings(&self) -> PathBuf {
        self.folder.join("conf")
    }

    /// Starts the nodes that do not run, and waits until files can be read and written.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&mut self) {
        let down = [Node::NameNode, Node::DataNode].map(|node| (node, self.slot(node).is_none()));
        // Both at once: a NameNode is not ready before a DataNode has come.
        let mut starting = Vec::new();
        for (node, _) in down.into_iter().filter(|(_, is_down)| *is_down) {
            let ready_before = self.times_ready(node);
            starting.push((node, ready_before, Running::start(&mut self.command(node), &self.log(node))));
        }
        for (node, ready_before, mut running) in starting {
            eventually("HDFS to serve", READY_LIMIT, || {
                running.assert_alive();
                (self.times_ready(node) > ready_before).then_some(())
            });
            *self.slot(node) = Some(running);
        }
    }

    /// `kill -9` of one node.
    ///
    /// # Panics
    /// When it had ended by itself.
    pub fn kill_hard(&mut self, node: Node) {
        if let Some(running) = self.slot(node).take() {
            running.kill();
        }
    }

    /// Lets a node live but answer nothing more (SIGSTOP).
    pub fn freeze(&mut self, node: Node) {
        if let Some(running) = self.slot(node) {
            running.freeze();
        }
    }

    /// Lets a frozen node go on.
    pub fn thaw(&mut self, node: Node) {
        if let Some(running) = self.slot(node) {
            running.thaw();
        }
    }

    /// Hadoop's own client: `-put`, `-ls`, `-get` and the like; what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn shell(&self, arguments: &[&str]) -> String {
        let mut command = self.java("org.apache.hadoop.fs.FsShell");
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

    fn slot(&mut self, node: Node) -> &mut Option<Running> {
        match node {
            Node::NameNode => &mut self.name_node,
            Node::DataNode => &mut self.data_node,
        }
    }

    fn log(&self, node: Node) -> PathBuf {
        self.folder.join(format!("{}.log", role(node)))
    }

    fn times_ready(&self, node: Node) -> usize {
        let log = fs::read_to_string(self.log(node)).unwrap_or_default();
        log.lines().filter(|line| *line == READY).count()
    }

    fn command(&self, node: Node) -> Command {
        let mut command = self.java("HdfsNode");
        command.arg(role(node));
        command
    }

    fn java(&self, main: &str) -> Command {
        let fetched = parts::fetched("hdfs");
        let class_path =
            format!("{0}/conf:{0}/pages:{1}/classes:{1}/lib/*", self.folder.display(), fetched.display());
        let mut command = Command::new("java");
        command
            .args(["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(["-Djava.net.preferIPv4Stack=true", "--add-opens", "java.base/java.lang=ALL-UNNAMED"])
            .args(["-cp", &class_path, main])
            .env_remove("HADOOP_CONF_DIR");
        command
    }

    fn write_settings(&self) {
        let mut places = vec![
            ("@FOLDER@".to_owned(), self.folder.display().to_string()),
            ("@NAME_NODE@".to_owned(), self.name_node()),
        ];
        places.extend((1..=4).map(|number| (format!("@PORT_{number}@"), free_port().to_string())));
        for file in ["core-site.xml", "hdfs-site.xml", "log4j.properties"] {
            let template = fs::read_to_string(parts::own("hdfs").join(file)).expect("the part is there");
            let settings = places.iter().fold(template, |text, (place, value)| text.replace(place, value));
            fs::write(self.client_settings().join(file), settings).expect("the configuration can be written");
        }
    }
}

const fn role(node: Node) -> &'static str {
    match node {
        Node::NameNode => "namenode",
        Node::DataNode => "datanode",
    }
}
