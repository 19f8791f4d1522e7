import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;

/**
 * One node of HDFS in one process, so that a test can kill either alone: {@code HdfsNode namenode|datanode}. The
 * configuration comes from the class path. Prints READY once the node serves; a NameNode does when a DataNode has come.
 */
public final class HdfsNode {
    private HdfsNode() {}

    public static void main(String[] arguments) throws Exception {
        // Formatting and serving in one process registers the same metrics twice.
        DefaultMetricsSystem.setMiniClusterMode(true);
        Configuration configuration = new HdfsConfiguration();
        switch (arguments[0]) {
            case "namenode" -> nameNode(configuration);
            case "datanode" -> dataNode(configuration);
            default -> throw new IllegalArgumentException("expected namenode or datanode");
        }
    }

    private static void nameNode(Configuration configuration) throws Exception {
        Path names = Path.of(URI.create(configuration.get("dfs.namenode.name.dir")));
        if (!Files.exists(names.resolve("current/VERSION"))) {
            NameNode.format(configuration);
        }
        NameNode node = NameNode.createNameNode(new String[0], configuration);
        // Until a DataNode has said which blocks it has, nothing can be read or written.
        while (node.isInSafeMode()) {
            Thread.sleep(20);
        }
        System.out.println("READY");
        node.join();
    }

    private static void dataNode(Configuration configuration) throws Exception {
        DataNode node = DataNode.createDataNode(new String[0], configuration);
        while (!node.isDatanodeFullyStarted()) {
            Thread.sleep(20);
        }
        System.out.println("READY");
        // Its threads keep the process alive.
    }
}
