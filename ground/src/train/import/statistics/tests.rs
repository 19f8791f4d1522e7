use proptest::prelude::*;

use super::*;

const HEADER: &str = "fault_key,mean_rate,std_rate\n";

fn read(text: &str) -> Result<Vec<StatisticsRow>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("zscore_stats.csv");
    fs::write(&path, text).expect("written");
    let shown = format!("{}/", folder.path().display());
    read_statistics(&path).map_err(|error| error.to_string().replace(&shown, ""))
}

fn key(edr_point: &str, description: &str) -> (String, String) {
    (edr_point.to_owned(), description.to_owned())
}

fn figures(row: &StatisticsRow) -> (f64, Option<f64>) {
    (row.statistics.mean_rate, row.statistics.std_rate)
}

#[test]
fn rows_are_read_as_pandas_and_as_spark_write_them() {
    let pandas = "\u{feff},fault_key,mean_rate,std_rate\r\n0,\"AUTH | wrong \"\"pin\"\", twice\",12.5,0.25\r\n1,DHCP | x,3,\r\n";
    let spark =
        "fault_key,mean_rate,std_rate\n\"AUTH | wrong \\\"pin\\\", twice\",12.5,0.25\nDHCP | x,3.0,NaN\n";
    for text in [pandas, spark] {
        let rows = read(text).expect(text);
        assert_eq!(rows[0].keys, [key("AUTH", "wrong \"pin\", twice")]);
        assert_eq!(rows[1].keys, [key("DHCP", "x")]);
        assert_eq!((figures(&rows[0]), figures(&rows[1])), ((12.5, Some(0.25)), (3.0, None)));
        assert_eq!((rows[0].statistics.samples, rows[1].statistics.samples), (2, 1));
    }
}

#[test]
fn a_text_that_can_be_taken_apart_in_several_ways_stands_for_all_of_them() {
    let rows = read(&format!("{HEADER}PORTAL | LOGIN | a | b,1,2\n")).expect("rows");
    let expected =
        [key("PORTAL", "LOGIN | a | b"), key("PORTAL | LOGIN", "a | b"), key("PORTAL | LOGIN | a", "b")];
    assert_eq!(rows[0].keys, expected);
}

#[test]
fn a_side_that_is_empty_is_found_though_spark_trims() {
    let rows = read(&format!("{HEADER}DHCP |,1,2\n| x,1,2\nDNS | ,1,2\n")).expect("rows");
    let keys: Vec<_> = rows.into_iter().flat_map(|row| row.keys).collect();
    assert_eq!(keys, [key("DHCP", ""), key("", "x"), key("DNS", "")]);
}

#[test]
fn what_is_left_of_adding_equal_rates_is_no_deviation() {
    let rows = read(&format!("{HEADER}A | x,10,7.1e-15\nA | y,10,0.0005\n")).expect("rows");
    assert_eq!((figures(&rows[0]).1, figures(&rows[1]).1), (Some(0.0), Some(0.0005)));
}

#[test]
fn sparks_part_files_are_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("part-00001-ab.csv", &format!("{HEADER}B | y,2,0.5\n"));
    write("part-00000-ab.csv", &format!("{HEADER}A | x,1,0.5\n"));
    write("part-00002-ab.csv", "");
    write(".part-00000-ab.csv.crc", "no CSV");
    write("_SUCCESS", "");
    let rows = read_statistics(folder.path()).expect("rows");
    assert_eq!(rows.iter().map(|row| row.statistics.mean_rate).collect::<Vec<_>>(), [1.0, 2.0]);
    write("part-00003-ab.csv", &format!("{HEADER}C | z,3,1\nA | x,1,0.5\n"));
    let error = read_statistics(folder.path()).expect_err("twice").to_string();
    assert!(error.contains("part-00003-ab.csv:3: the fault key `A | x` stands in"), "{error}");
    assert!(error.ends_with("part-00000-ab.csv:2 already"), "{error}");
    let empty = tempfile::tempdir().expect("a folder");
    assert!(matches!(read_statistics(empty.path()), Err(StatisticsError::NoParts(_))));
}

#[test]
fn what_can_not_be_taken_is_named_with_its_line() {
    for (text, expected) in [
        ("", "zscore_stats.csv: there is no fault key"),
        (HEADER, "zscore_stats.csv: there is no fault key"),
        ("fault_key,mean\n", "zscore_stats.csv:1: the header has no column `mean_rate`"),
        (
            "fault_key,mean_rate,mean_rate,std_rate\n",
            "zscore_stats.csv:1: the header has the column `mean_rate` twice",
        ),
        ("fault_key,mean_rate,std_rate\nA | x,1\n", "zscore_stats.csv:2: it has 2 fields, the header has 3"),
        ("fault_key,mean_rate,std_rate\n\nA | x,,1\n", "zscore_stats.csv:3: mean_rate is ``"),
        ("fault_key,mean_rate,std_rate\nA | x,101,1\n", "zscore_stats.csv:2: mean_rate is `101`"),
        ("fault_key,mean_rate,std_rate\nA | x,NaN,1\n", "zscore_stats.csv:2: mean_rate is `NaN`"),
        ("fault_key,mean_rate,std_rate\nA | x,1,-1\n", "zscore_stats.csv:2: std_rate is `-1`"),
        ("fault_key,mean_rate,std_rate\nA | x,1,inf\n", "zscore_stats.csv:2: std_rate is `inf`"),
        ("fault_key,mean_rate,std_rate\nA,1,1\n", "zscore_stats.csv:2: the fault key `A` has no ` | `"),
        (
            "fault_key,mean_rate,std_rate\n\"A | x,1,1\n",
            "zscore_stats.csv:2: a quote is opened and never closed",
        ),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.csv");
    fs::write(&path, b"fault_key,mean_rate,std_rate\nA | \xff,1,1\n").expect("written");
    let error = read_statistics(&path).expect_err("refused").to_string();
    assert!(error.ends_with("a.csv:2: it is not UTF-8"), "{error}");
    let error = read_statistics(&folder.path().join("none.csv")).expect_err("refused").to_string();
    assert!(error.starts_with("cannot read ") && error.contains("none.csv"), "{error}");
}

proptest! {
    #[test]
    fn a_printed_key_is_among_the_keys_it_may_mean(point in "[ab| ]{0,8}", description in "[ab| ]{0,8}") {
        let printed = FaultKey { edr_point: &point, description: &description }.to_string();
        let keys = pairs(&printed);
        prop_assert!(keys.contains(&key(&point, &description)));
        let all_print_alike = keys
            .iter()
            .all(|(point, description)| FaultKey { edr_point: point, description }.to_string() == printed);
        prop_assert!(all_print_alike);
    }
}
