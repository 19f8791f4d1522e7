//! History on a local folder or HDFS: files by URL, and the window archive in Parquet.
#![forbid(unsafe_code)]
