//! The questions people ask, as `docs/tables.md` says to ask them.

use crate::examples::window;
use crate::server::Server;
use crate::*;

#[test]
fn the_documented_queries_find_what_they_should() {
    let server = Server::shared();
    let keyspace = server.keyspace("questions");
    let mut tables = keyspace.made();
    // 2026-11-21T10:00:00Z, and an hour before and after.
    let ten = 1_795_255_200;
    let windows: Vec<_> = [ten - 3_600, ten, ten + 300, ten + 3_600]
        .into_iter()
        .flat_map(|start| ["TC-JJA", "TC-JJB", "TC-JJC"].map(|tail| window(tail, start)))
        .collect();
    tables.replace(&windows).expect("stored");
    let cql = keyspace.cql();
    let fleet = "SELECT tail FROM combined_repeated WHERE hour = '2026-11-21 10:00:00+0000'
                 AND shard IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)";
    assert_eq!(cql.rows::<(String,)>(fleet).len(), 6);
    let one = format!("{fleet} AND tail = 'TC-JJA' AND start_time >= '2026-11-21 10:05:00+0000'");
    assert_eq!(cql.rows::<(String,)>(&one).len(), 1);
    let day = "SELECT start_time, tail FROM anomalies_by_key WHERE fault_key = 'DHCP | no address, none'
               AND day = '2026-11-21'";
    assert_eq!(cql.rows::<(scylla::value::CqlTimestamp, String)>(day).len(), 12);
    let since = format!("{day} AND start_time >= '2026-11-21 11:00:00+0000'");
    assert_eq!(cql.rows::<(scylla::value::CqlTimestamp, String)>(&since).len(), 3);
}

/// The columns that queries of the present system rely on, by their names and with a type that fits.
#[test]
fn the_columns_of_the_present_system_keep_their_names() {
    let server = Server::shared();
    let keyspace = server.keyspace("columns");
    let mut tables = keyspace.made();
    tables.replace(&[window("TC-JJA", 0)]).expect("stored");
    type Old = (
        String,
        scylla::value::CqlTimestamp,
        scylla::value::CqlTimestamp,
        i64,
        i64,
        i64,
        f64,
        Option<f64>,
        Option<f64>,
        Option<f64>,
        i32,
        i32,
        i32,
    );
    for table in Table::ALL {
        let query = format!(
            "SELECT fault_key, start_time, end_time, fail, success, total, fail_rate, mean_rate, std_rate, z_score,
             anomaly_z, anomaly_iforest, anomaly_combined FROM {table}"
        );
        let rows = keyspace.cql().rows::<Old>(&query);
        let (fault_key, start, end, fail, success, total, fail_rate, ..) = &rows[0];
        assert_eq!((fault_key.as_str(), start.0, end.0), ("DHCP | no address, none", 0, 300_000));
        assert_eq!((*fail, *success, *total, *fail_rate), (9, 1, 10, 90.0));
    }
}

#[test]
fn reading_without_bounds_finds_rows_of_any_age() {
    let server = Server::shared();
    let keyspace = server.keyspace("ages");
    let mut tables = keyspace.made();
    let starts = [-86_400, 0, 1_795_255_200, 4_102_444_800];
    tables.replace(&starts.map(|start| window("TC-JJA", start))).expect("stored");
    let rows = tables.rows(Table::CombinedAll, &Query::default()).expect("read");
    assert_eq!(rows.iter().map(|row| row.start.0).collect::<Vec<_>>(), starts);
    let newest = Query { limit: Some(2), ..Query::default() };
    let rows = tables.rows(Table::CombinedAll, &newest).expect("read");
    assert_eq!(rows.iter().map(|row| row.start.0).collect::<Vec<_>>(), starts[2..]);
}
