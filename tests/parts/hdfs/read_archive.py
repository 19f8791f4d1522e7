"""Prints the failures of a compacted window archive as CSV: tail, start, point, description, count."""

import csv
import sys
from pathlib import Path

import polars

files = sorted(path for path in Path(sys.argv[1]).glob("day=*/*.parquet") if not path.name.startswith("."))
rows = polars.read_parquet(files, hive_partitioning=False).filter(polars.col("description").is_not_null())
start = polars.col("start_time").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
rows = rows.select("tail", start, "edr_point", "description", "fail")
csv.writer(sys.stdout).writerows(rows.iter_rows())
