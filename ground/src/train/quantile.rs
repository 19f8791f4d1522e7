//! Percentiles as numpy's default method computes them.

/// The percentile of values that each stand for so many rows, sorted by value: linear between the two nearest ranks,
/// with the rounding of `numpy.percentile`. None without a row.
#[must_use]
pub fn linear_percentile(sorted: &[(f64, u64)], percentile: f64) -> Option<f64> {
    let rows: u64 = sorted.iter().map(|(_, rows)| rows).sum();
    let last = rows.checked_sub(1)?;
    let place = ((percentile / 100.0).clamp(0.0, 1.0) * last as f64).min(last as f64);
    let below = place.floor();
    let part = place - below;
    let low = value_at(sorted, below as u64)?;
    let high = value_at(sorted, (below as u64 + 1).min(last))?;
    // numpy interpolates from the nearer end, so that a value met exactly comes out exactly.
    let step = high - low;
    Some(if part >= 0.5 { high - step * (1.0 - part) } else { low + step * part })
}

fn value_at(sorted: &[(f64, u64)], rank: u64) -> Option<f64> {
    let mut seen = 0;
    sorted.iter().find_map(|(value, rows)| {
        seen += rows;
        (rank < seen).then_some(*value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numpys() {
        let ones: Vec<(f64, u64)> = [1.0, 2.0, 4.0, 8.0].map(|value| (value, 1)).to_vec();
        // numpy.percentile([1, 2, 4, 8], [0, 10, 50, 90, 100])
        let expected = [1.0, 1.3, 3.0, 6.800_000_000_000_001, 8.0];
        let ours = [0.0, 10.0, 50.0, 90.0, 100.0].map(|percentile| linear_percentile(&ones, percentile));
        assert_eq!(ours, expected.map(Some));
    }

    #[test]
    fn a_value_that_stands_for_rows_counts_as_often() {
        let weighted = [(1.0, 3), (2.0, 1)];
        assert_eq!(linear_percentile(&weighted, 50.0), Some(1.0));
        assert_eq!(linear_percentile(&weighted, 100.0), Some(2.0));
        assert_eq!(linear_percentile(&[], 50.0), None);
    }
}
