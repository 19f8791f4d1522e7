//! Which numbered events have been taken already. Why, and what a producer may rely on: `docs/adr/0003`.

use std::collections::HashMap;

use cabinwatch_shared::time::UnixSeconds;

use super::Cursor;

/// Most producers that are remembered at one time.
pub const MAX_PRODUCERS: usize = 64;
/// A producer may be forgotten for a new one's sake once it has sent nothing for this long, in seconds.
pub const FORGET_AFTER_SECONDS: i64 = 86_400;
/// How far behind the newest number an event may come and still be told from a repetition.
pub const REORDER_WINDOW: u64 = WORDS as u64 * 64;

const WORDS: usize = 14;
const CURSOR_PREFIX: &str = "producer:";
const POSITION_BYTES: usize = 16 + WORDS * 8;

/// What to do with a numbered event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Never seen: count it.
    New,
    /// Seen before: acknowledge it, and count nothing.
    Seen,
    /// From one producer too many.
    Refused,
}

/// The numbers of one producer that have been seen: the newest, and a bit for each of those right below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    newest: u64,
    ring: [u64; WORDS],
}

impl Seen {
    /// Whether the number is new; from now on it is not.
    fn take(&mut self, seq: u64) -> bool {
        if seq > self.newest {
            let skipped = (seq - self.newest).min(REORDER_WINDOW);
            (0..skipped).for_each(|back| self.set(seq - back, false));
            self.newest = seq;
        } else if self.newest - seq >= REORDER_WINDOW || self.get(seq) {
            return false;
        }
        self.set(seq, true);
        true
    }

    fn place(seq: u64) -> (usize, u64) {
        let bit = seq % REORDER_WINDOW;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn get(&self, seq: u64) -> bool {
        let (word, bit) = Self::place(seq);
        self.ring.get(word).is_some_and(|word| word & bit != 0)
    }

    fn set(&mut self, seq: u64, seen: bool) {
        let (word, bit) = Self::place(seq);
        if let Some(word) = self.ring.get_mut(word) {
            *word = if seen { *word | bit } else { *word & !bit };
        }
    }
}

#[derive(Debug, Default)]
struct Producer {
    seen: Seen,
    used: Option<UnixSeconds>,
    changed: bool,
}

impl Producer {
    fn position(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(POSITION_BYTES);
        bytes.extend(self.seen.newest.to_le_bytes());
        bytes.extend(self.used.map_or(0, |used| used.0).to_le_bytes());
        self.seen.ring.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes
    }

    fn restore(position: &[u8]) -> Option<Self> {
        let (words, rest) = position.as_chunks::<8>();
        let (&[newest, used], ring) = words.split_first_chunk()?;
        let ring: [[u8; 8]; WORDS] = ring.try_into().ok().filter(|_| rest.is_empty())?;
        let seen = Seen { newest: u64::from_le_bytes(newest), ring: ring.map(u64::from_le_bytes) };
        Some(Self { seen, used: Some(UnixSeconds(i64::from_le_bytes(used))), changed: false })
    }
}

/// All producers. Their cursors must reach the engine in the order in which events were taken, so whoever takes events
/// keeps the lock until the batch is in the queue.
#[derive(Debug, Default)]
pub struct Producers {
    known: HashMap<String, Producer>,
    forgotten: Vec<String>,
}

impl Producers {
    /// Goes on from the stored cursors.
    #[must_use]
    pub fn restore(cursors: &HashMap<String, Vec<u8>>) -> Self {
        let mut found: Vec<(String, Producer)> = cursors
            .iter()
            .filter_map(|(name, position)| {
                Some((name.strip_prefix(CURSOR_PREFIX)?.to_owned(), Producer::restore(position)?))
            })
            .collect();
        found.sort_by_key(|(_, producer)| std::cmp::Reverse(producer.used));
        found.truncate(MAX_PRODUCERS);
        Self { known: found.into_iter().collect(), forgotten: Vec::new() }
    }

    /// Takes note of a numbered event.
    pub fn take(&mut self, name: &str, seq: u64, now: UnixSeconds) -> Verdict {
        if !self.known.contains_key(name) && !self.make_room(now) {
            return Verdict::Refused;
        }
        let producer = match self.known.get_mut(name) {
            Some(producer) => producer,
            None => self.known.entry(name.to_owned()).or_default(),
        };
        let new = producer.seen.take(seq);
        producer.used = Some(now);
        producer.changed |= new;
        if new { Verdict::New } else { Verdict::Seen }
    }

    /// Whether one more producer fits, if need be in the place of one that has long been silent.
    fn make_room(&mut self, now: UnixSeconds) -> bool {
        if self.known.len() < MAX_PRODUCERS {
            return true;
        }
        let oldest = self.known.iter().min_by_key(|(_, producer)| producer.used);
        let silent = oldest.filter(|(_, producer)| {
            producer.used.is_none_or(|used| now.0.saturating_sub(used.0) >= FORGET_AFTER_SECONDS)
        });
        let Some(name) = silent.map(|(name, _)| name.clone()) else { return false };
        self.known.remove(&name);
        self.forgotten.push(name);
        true
    }

    /// Appends the cursors that have changed since the last call. An empty position means: forget it.
    pub fn write_cursors(&mut self, out: &mut Vec<Cursor>) {
        let cursor = |name: &str, position| Cursor { name: format!("{CURSOR_PREFIX}{name}"), position };
        out.extend(self.forgotten.drain(..).map(|name| cursor(&name, Vec::new())));
        for (name, producer) in self.known.iter_mut().filter(|(_, producer)| producer.changed) {
            producer.changed = false;
            out.push(cursor(name, producer.position()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_000_000);

    fn stored(producers: &mut Producers) -> HashMap<String, Vec<u8>> {
        let mut cursors = Vec::new();
        producers.write_cursors(&mut cursors);
        cursors.into_iter().map(|cursor| (cursor.name, cursor.position)).collect()
    }

    #[test]
    fn a_number_counts_once_also_after_a_restart() {
        let mut producers = Producers::default();
        assert_eq!(producers.take("p", 1, NOW), Verdict::New);
        assert_eq!(producers.take("p", 3, NOW), Verdict::New);
        assert_eq!(producers.take("p", 3, NOW), Verdict::Seen);
        let cursors = stored(&mut producers);
        assert!(cursors.values().all(|position| position.len() <= 128));
        let mut producers = Producers::restore(&cursors);
        assert_eq!(producers.take("p", 1, NOW), Verdict::Seen);
        assert_eq!(producers.take("p", 2, NOW), Verdict::New);
        assert_eq!(producers.take("q", 3, NOW), Verdict::New);
    }

    #[test]
    fn only_what_changed_has_a_cursor_to_store() {
        let mut producers = Producers::default();
        producers.take("p", 1, NOW);
        assert_eq!(stored(&mut producers).len(), 1);
        producers.take("p", 1, NOW);
        assert!(stored(&mut producers).is_empty());
    }

    #[test]
    fn one_producer_too_many_is_refused_until_another_has_long_been_silent() {
        let mut producers = Producers::default();
        for number in 0..MAX_PRODUCERS {
            assert_eq!(producers.take(&format!("p{number}"), 1, UnixSeconds(number as i64)), Verdict::New);
        }
        let later = UnixSeconds(FORGET_AFTER_SECONDS - 1);
        assert_eq!(producers.take("late", 1, later), Verdict::Refused);
        assert_eq!(producers.take("p7", 2, later), Verdict::New);
        assert_eq!(producers.take("late", 1, UnixSeconds(FORGET_AFTER_SECONDS)), Verdict::New);
        assert_eq!(stored(&mut producers).get("producer:p0"), Some(&Vec::new()));
    }

    #[test]
    fn garbled_cursors_are_no_producers() {
        let cursors =
            HashMap::from([("producer:p".to_owned(), vec![1, 2, 3]), ("tail:/x".to_owned(), vec![0; 128])]);
        assert!(Producers::restore(&cursors).known.is_empty());
    }

    proptest! {
        #[test]
        fn numbers_in_any_order_within_the_window_count_exactly_once(
            steps in prop::collection::vec((0_u64..400, 0_u64..300), 1..300),
        ) {
            let (mut seen, mut model, mut base) = (Seen::default(), BTreeSet::new(), 1);
            for (forward, back) in steps {
                base += forward;
                let seq = base.saturating_sub(back).max(1);
                let newest = model.last().copied().unwrap_or(0);
                let tellable = seq > newest || newest - seq < REORDER_WINDOW;
                prop_assert_eq!(seen.take(seq), tellable && !model.contains(&seq));
                if tellable {
                    model.insert(seq);
                }
            }
        }
    }
}
