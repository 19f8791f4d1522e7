//! From an event to the row that the forest sees: three numbers standardised, and the protocol's place in a list.

use serde::{Deserialize, Serialize};

use super::Event;

/// Values in a row.
pub(super) const FEATURES: usize = 4;

/// A feature, in the order of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// `dest_port`, standardised.
    DestPort,
    /// `bytes_sent`, standardised.
    BytesSent,
    /// `bytes_recv`, standardised.
    BytesRecv,
    /// The place of `protocol` among those of the training rows; -1 for another.
    Protocol,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; FEATURES] = [Self::DestPort, Self::BytesSent, Self::BytesRecv, Self::Protocol];

    /// The name of the field it comes from.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DestPort => "dest_port",
            Self::BytesSent => "bytes_sent",
            Self::BytesRecv => "bytes_recv",
            Self::Protocol => "protocol",
        }
    }
}

/// How a number is standardised: `(value - mean) / scale`, in double precision.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Mean of the training rows.
    pub mean: f64,
    /// Their population standard deviation; 1 where they do not vary.
    pub scale: f64,
}

impl Scaling {
    fn apply(self, value: i64) -> f64 {
        (value as f64 - self.mean) / self.scale
    }
}

/// Sums over the training rows. They are exact, so neither the order of the rows nor rounding has a say in the scaling.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    rows: u64,
    values: i128,
    squares: u128,
}

impl Sums {
    /// Adds a row; none if the sum of squares would leave 128 bits.
    pub(super) fn add(&mut self, value: i64) -> Option<()> {
        let magnitude = u128::from(value.unsigned_abs());
        self.squares = self.squares.checked_add(magnitude * magnitude)?;
        self.values += i128::from(value);
        self.rows += 1;
        Some(())
    }

    /// Mean and population standard deviation, as scikit-learn's `StandardScaler` has them; none without a row, or where
    /// the numbers leave 128 bits.
    pub(super) fn scaling(&self) -> Option<Scaling> {
        let rows = self.rows as f64;
        let magnitude = self.values.unsigned_abs();
        let spread = self
            .squares
            .checked_mul(u128::from(self.rows))?
            .checked_sub(magnitude.checked_mul(magnitude)?)?;
        let mean = self.values as f64 / rows;
        let variance = spread as f64 / (rows * rows);
        // scikit-learn calls a feature constant when its variance could be rounding alone.
        let rounding = rows * f64::EPSILON * variance + (rows * mean * f64::EPSILON).powi(2);
        let scale = if variance <= rounding { 1.0 } else { variance.sqrt() };
        Some(Scaling { mean, scale }).filter(|_| self.rows > 0)
    }
}

/// What training learnt of the features.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Features {
    /// Of port, bytes sent and bytes received.
    pub(super) scalings: [Scaling; 3],
    /// Sorted, each once.
    pub(super) protocols: Vec<Box<str>>,
}

impl Features {
    /// The row of an event. The forest compares in single precision, as scikit-learn's does.
    pub(super) fn row(&self, event: &Event<'_>) -> [f32; FEATURES] {
        let numbers = [event.dest_port(), event.bytes_sent(), event.bytes_recv()];
        self.row_of(numbers, self.protocol(event.protocol()))
    }

    pub(super) fn row_of(&self, numbers: [i64; 3], protocol: Option<usize>) -> [f32; FEATURES] {
        let [port, sent, received] = numbers;
        let [of_port, of_sent, of_received] = self.scalings;
        [
            of_port.apply(port) as f32,
            of_sent.apply(sent) as f32,
            of_received.apply(received) as f32,
            protocol.map_or(-1.0, |place| place as f32),
        ]
    }

    fn protocol(&self, name: &str) -> Option<usize> {
        self.protocols.binary_search_by(|known| known.as_ref().cmp(name)).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scaling(values: &[i64]) -> Scaling {
        let mut sums = Sums::default();
        values.iter().for_each(|value| sums.add(*value).expect("small"));
        sums.scaling().expect("rows")
    }

    #[test]
    fn the_deviation_is_that_of_the_population() {
        assert_eq!(scaling(&[2, 4, 4, 4, 5, 5, 7, 9]), Scaling { mean: 5.0, scale: 2.0 });
        assert_eq!(scaling(&[-3, 3]), Scaling { mean: 0.0, scale: 3.0 });
    }

    #[test]
    fn what_does_not_vary_is_divided_by_one() {
        assert_eq!(scaling(&[443; 9]), Scaling { mean: 443.0, scale: 1.0 });
        assert_eq!(scaling(&[7]), Scaling { mean: 7.0, scale: 1.0 });
        // scikit-learn takes this for rounding, too.
        let nearly = [vec![1_000_000_000_000; 99_999], vec![1_000_000_000_001]].concat();
        assert_eq!(scaling(&nearly).scale, 1.0);
    }

    #[test]
    fn numbers_that_leave_128_bits_are_refused() {
        let mut sums = Sums::default();
        let added = [i64::MIN; 5].iter().filter(|value| sums.add(**value).is_some()).count();
        assert_eq!(added, 3);
        assert_eq!(sums.scaling(), None);
        assert_eq!(Sums::default().scaling(), None);
    }

    #[test]
    fn protocols_have_their_place_in_the_sorted_list_and_others_minus_one() {
        let scalings = [Scaling { mean: 1.0, scale: 2.0 }; 3];
        let features = Features { scalings, protocols: ["ICMP", "TCP", "UDP"].map(Box::from).to_vec() };
        assert_eq!(features.row_of([1, 2, 3], features.protocol("TCP")), [0.0, 0.5, 1.0, 1.0]);
        for unseen in ["tcp", "", "TCP "] {
            assert_eq!(features.row_of([1, 1, 1], features.protocol(unseen))[3], -1.0);
        }
    }

    proptest! {
        #[test]
        fn the_scaling_is_that_of_two_passes_over_the_rows(values in prop::collection::vec(-1_000_000_i64..1_000_000, 2..50)) {
            let rows = values.len() as f64;
            let mean = values.iter().sum::<i64>() as f64 / rows;
            let variance = values.iter().map(|value| (*value as f64 - mean).powi(2)).sum::<f64>() / rows;
            let ours = scaling(&values);
            prop_assert_eq!(ours.mean, mean);
            let expected = if variance == 0.0 { 1.0 } else { variance.sqrt() };
            prop_assert!((ours.scale - expected).abs() <= 1e-12 * expected, "{} {}", ours.scale, expected);
        }
    }
}
