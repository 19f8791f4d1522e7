//! HDFS as two child processes, a NameNode and a DataNode, each of which can be killed and comes back.
//!
//! `tests/scripts/setup.sh` fetches Hadoop's jars and compiles `tests/parts/hdfs` into `.cache/hdfs`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::broker::free_port;
use crate::program::{Ended, Running};
use crate::wait::eventually;

const READY: &str = "READY";
const READY_LIMIT: Duration = Duration::from_secs(120);
/// The logical name of the NameNode in the configuration for clients.
const NAMESERVICE: &str = "lake";

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
        assert!(parts().join("lib").exists(), "Hadoop is not there; run `tests/scripts/setup.sh test` first");
        let port = free_port();
        let hdfs = Self { folder: folder.to_owned(), port, name_node: None, data_node: None };
        // The servers' pages are part of Hadoop's distribution, not of its jars; they only have to exist.
        for page in ["hdfs", "datanode", "static"] {
            fs::create_dir_all(folder.join("pages/webapps").join(page)).expect("a folder can be made");
        }
        for data in ["names", "blocks", "tmp", "conf"] {
            fs::create_dir_all(folder.join(data)).expect("a folder can be made");
        }
        hdfs.write_settings();
        let mut hdfs = hdfs;
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
        format!("hdfs://{NAMESERVICE}/{folder}")
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

    /// Starts what does not run, and waits until files can be read and written.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&mut self) {
        let starting = |node| Running::start(&mut self.command(node), &self.log(node));
        let said_before = |node| self.ready_count(node);
        let mut waiting = Vec::new();
        if self.name_node.is_none() {
            waiting.push((Node::NameNode, said_before(Node::NameNode), starting(Node::NameNode)));
        }
        if self.data_node.is_none() {
            waiting.push((Node::DataNode, said_before(Node::DataNode), starting(Node::DataNode)));
        }
        for (node, before, mut running) in waiting {
            eventually("HDFS to come up", READY_LIMIT, || {
                running.assert_alive();
                (self.ready_count(node) > before).then_some(())
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

    fn ready_count(&self, node: Node) -> usize {
        let log = fs::read_to_string(self.log(node)).unwrap_or_default();
        log.lines().filter(|line| *line == READY).count()
    }

    fn command(&self, node: Node) -> Command {
        let mut command = self.java("HdfsNode");
        command.arg(role(node));
        command
    }

    fn java(&self, main: &str) -> Command {
        let class_path = format!(
            "{}:{}:{}:{}/*",
            self.folder.join("conf").display(),
            self.folder.join("pages").display(),
            parts().join("classes").display(),
            parts().join("lib").display()
        );
        let mut command = Command::new("java");
        command
            .args(["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"])
            .args(["-Djava.net.preferIPv4Stack=true", "--add-opens", "java.base/java.lang=ALL-UNNAMED"])
            .args(["-cp", &class_path, main])
            .env_remove("HADOOP_CONF_DIR");
        command
    }

    fn write_settings(&self) {
        let data = |name: &str| format!("file://{}", self.folder.join(name).display());
        let address = |port: u16| format!("127.0.0.1:{port}");
        let core = [
            ("fs.defaultFS", self.url("")),
            ("hadoop.tmp.dir", self.folder.join("tmp").display().to_string()),
            // A DataNode that comes up first shall find the NameNode soon after.
            ("ipc.client.connect.retry.interval", "200".to_owned()),
        ];
        let hdfs = [
            ("dfs.replication", "1".to_owned()),
            ("dfs.namenode.name.dir", data("names")),
            ("dfs.namenode.rpc-address", self.name_node()),
            ("dfs.namenode.http-address", address(free_port())),
            ("dfs.namenode.safemode.extension", "0".to_owned()),
            ("dfs.namenode.safemode.min.datanodes", "1".to_owned()),
            ("dfs.namenode.datanode.registration.ip-hostname-check", "false".to_owned()),
            ("dfs.heartbeat.interval", "1".to_owned()),
            ("dfs.datanode.data.dir", data("blocks")),
            ("dfs.datanode.hostname", "127.0.0.1".to_owned()),
            ("dfs.datanode.address", address(free_port())),
            ("dfs.datanode.ipc.address", address(free_port())),
            ("dfs.datanode.http.address", address(free_port())),
            // What clients need to find the NameNode by its logical name.
            ("dfs.nameservices", NAMESERVICE.to_owned()),
            ("dfs.ha.namenodes.lake", "only".to_owned()),
            ("dfs.namenode.rpc-address.lake.only", self.name_node()),
        ];
        let conf = self.client_settings();
        fs::write(conf.join("core-site.xml"), xml(&core)).expect("settings can be written");
        fs::write(conf.join("hdfs-site.xml"), xml(&hdfs)).expect("settings can be written");
        let logging = "log4j.rootLogger=WARN,out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n\
             log4j.appender.out.target=System.err\nlog4j.appender.out.layout=org.apache.log4j.PatternLayout\n\
             log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %p %c{1}: %m%n\n";
        fs::write(conf.join("log4j.properties"), logging).expect("settings can be written");
    }
}

const fn role(node: Node) -> &'static str {
    match node {
        Node::NameNode => "namenode",
        Node::DataNode => "datanode",
    }
}

fn xml<const N: usize>(properties: &[(&str, String); N]) -> String {
    let mut text = "<configuration>\n".to_owned();
    for (name, value) in properties {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "<property><name>{name}</name><value>{value}</value></property>");
    }
    text + "</configuration>\n"
}

/// Where `setup.sh` puts Hadoop.
fn parts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/hdfs")
}
