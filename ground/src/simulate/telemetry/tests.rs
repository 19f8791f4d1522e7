use std::collections::{BTreeMap, HashSet};
use std::net::Ipv4Addr;

use super::*;

fn plan() -> TelemetryPlan {
    TelemetryPlan { seed: 3, rows: 8_000, odd: 40, start: UnixSeconds(1_795_132_800), seconds: 86_400 }
}

fn rows(plan: TelemetryPlan) -> Vec<TelemetryRow> {
    Telemetry::new(plan).collect()
}

#[test]
fn the_same_seed_gives_the_same_rows() {
    assert_eq!(rows(plan()), rows(plan()));
    assert_ne!(rows(plan()), rows(TelemetryPlan { seed: 4, ..plan() }));
}

#[test]
fn rows_come_in_the_order_of_time_within_the_period_and_as_many_are_odd_as_wanted() {
    let rows = rows(plan());
    let times: Vec<UnixMillis> = rows.iter().map(|row| row.at).collect();
    assert!(times.is_sorted());
    assert!(times.iter().all(|at| (0..86_400_000).contains(&(at.0 - plan().start.millis().0))));
    assert_eq!((rows.len(), rows.iter().filter(|row| row.odd.is_some()).count()), (8_000, 40));
    let all_odd = TelemetryPlan { rows: 5, odd: 9, ..plan() };
    assert!(Telemetry::new(all_odd).all(|row| row.odd.is_some()));
}

#[test]
fn usual_traffic_is_mostly_of_passengers_to_the_web_over_tcp_udp_and_a_little_icmp() {
    let mut protocols: BTreeMap<&str, u32> = BTreeMap::new();
    let rows = rows(TelemetryPlan { odd: 0, ..plan() });
    for row in &rows {
        *protocols.entry(row.flow.protocol).or_default() += 1;
    }
    let names: Vec<_> = protocols.keys().copied().collect();
    assert_eq!(names, ["ICMP", "TCP", "UDP"]);
    assert!(protocols["TCP"] > 3_500 && protocols["UDP"] > 2_500 && protocols["ICMP"] > 100, "{protocols:?}");
    let web = rows.iter().filter(|row| row.flow.port == 443).count();
    assert!((3_000..4_200).contains(&web), "{web}");
}

/// Private addresses, and those of the three ranges for documentation.
fn is_nobodys(address: Ipv4Addr) -> bool {
    address.is_private() || address.is_documentation()
}

#[test]
fn no_row_points_at_somebody() {
    let mut names: HashSet<String> = HashSet::new();
    for row in rows(TelemetryPlan { odd: 4_000, ..plan() }) {
        let flow = &row.flow;
        assert!(is_nobodys(flow.source) && is_nobodys(flow.destination), "{flow:?}");
        names.extend(flow.domain.map(str::to_owned).into_iter().chain(flow.dns_query.clone()));
    }
    let kept = ["example.com", "example.net", "example.org", ".example"];
    assert!(names.iter().all(|name| kept.iter().any(|kept| name.ends_with(kept))), "{names:?}");
}

#[test]
fn the_files_hold_every_row_and_label_the_odd_ones_by_their_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let files =
        TelemetryFiles { data: folder.path().join("new/data.csv"), labels: folder.path().join("labels.csv") };
    let mut written = 0;
    let odd = write_telemetry(plan(), &files, || written += 1).expect("written");
    assert_eq!((odd, written), (40, 8_000));
    let mut data = csv::Reader::from_path(&files.data).expect("a file");
    assert_eq!(data.headers().expect("a header"), COLUMNS.as_slice());
    let data: Vec<_> = data.records().collect::<Result<_, _>>().expect("well formed");
    let labels = csv::Reader::from_path(&files.labels).expect("a file").into_records();
    let labels: Vec<_> = labels.collect::<Result<_, _>>().expect("well formed");
    assert_eq!((data.len(), labels.len()), (8_000, 40));
    for label in &labels {
        let row: usize = label[0].parse().expect("a number");
        if &label[1] == "strange_protocol" {
            assert_eq!(&data[row - 1][9], "GRE");
        }
    }
    assert!(data.iter().filter(|row| &row[9] == "GRE").count() > 0);
    assert!(data.iter().all(|row| row[2].len() == 64), "a hash has 64 digits");
}
