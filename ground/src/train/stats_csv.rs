//! `zscore_stats.csv`.

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::zscore::KeyStatistics;

const HEADER: [&str; 3] = ["fault_key", "mean_rate", "std_rate"];

/// The file's bytes: sorted by fault key, numbers with as many digits as it takes to read back the same double.
///
/// Two pairs of point and description can print the same fault key (`A | B` and `c`, `A` and `B | c`). Each keeps a
/// row of its own here; the model bundle, which holds the pairs, tells them apart.
pub(super) fn write<'a>(
    rows: impl Iterator<Item = (FaultKey<'a>, KeyStatistics)>,
) -> Result<Vec<u8>, csv::Error> {
    let mut rows: Vec<(String, KeyStatistics)> =
        rows.map(|(key, statistics)| (key.to_string(), statistics)).collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for (key, statistics) in rows {
        let std_rate = statistics.std_rate.map(|std_rate| format!("{std_rate:?}")).unwrap_or_default();
        writer.write_record([key, format!("{:?}", statistics.mean_rate), std_rate])?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_as_its_readers_know_it() {
        let key = |edr_point, description| FaultKey { edr_point, description };
        let several = KeyStatistics { samples: 3, mean_rate: 100.0 / 3.0, std_rate: Some(0.0) };
        let single = KeyStatistics { samples: 1, mean_rate: 42.0, std_rate: None };
        let rows = [
            (key("DNS", "said \"no\", twice"), several),
            (key("A | B", "c"), single),
            (key("A", "B | c"), single),
        ];
        let text = String::from_utf8(write(rows.into_iter()).expect("written")).expect("UTF-8");
        assert_eq!(
            text,
            "fault_key,mean_rate,std_rate\nA | B | c,42.0,\nA | B | c,42.0,\n\
             \"DNS | said \"\"no\"\", twice\",33.333333333333336,0.0\n"
        );
    }
}
