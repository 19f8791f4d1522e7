//! Messages that wait for the group in hand, bounded by what they take of memory: how many there are, says little about
//! messages of up to 2 MiB, each of which may inflate to 1 MiB and become rows that take several times as much.

use std::collections::VecDeque;

use cabinwatch_shared::wire::{Encoding, Envelope};

use crate::broker::{Delivery, MAX_PACKET_BYTES};

/// Most bytes that wait.
const MOST_BYTES: usize = 128 << 20;
/// Most bytes of a group's messages, inflated, if it has more than one. The usual ones come nowhere near it.
const GROUP_BYTES: usize = 16 << 20;
/// So many messages have room whatever their size.
pub(super) const ALWAYS_FIT: u16 = (MOST_BYTES / MAX_PACKET_BYTES as usize) as u16;

/// Messages in the order they came.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
}

impl Waiting {
    pub fn len(&self) -> usize {
        self.deliveries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    pub fn has_room_for(&self, delivery: &Delivery) -> bool {
        self.bytes + delivery.payload.len() <= MOST_BYTES
    }

    pub fn push(&mut self, delivery: Delivery) {
        self.bytes += delivery.payload.len();
        self.deliveries.push_back(delivery);
    }

    /// The next messages: at most so many, and not more than can be stored at once.
    pub fn take_group(&mut self, most: usize) -> Vec<Delivery> {
        let mut bytes = 0;
        let within = |delivery: &&Delivery| {
            bytes += inflated(&delivery.payload);
            bytes <= GROUP_BYTES
        };
        let count = self.deliveries.iter().take(most).take_while(within).count();
        // One is taken in any case: no message alone is too large.
        let group: Vec<_> = self.deliveries.drain(..count.max(1).min(self.deliveries.len())).collect();
        self.bytes -= group.iter().map(|delivery| delivery.payload.len()).sum::<usize>();
        group
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// How many bytes a payload takes when it is worked on, by what it says itself: what inflates to more is refused.
fn inflated(payload: &[u8]) -> usize {
    let said = match Envelope::parse(payload) {
        Ok(Envelope { encoding: Encoding::Deflate { inflated }, .. }) => inflated as usize,
        _ => 0,
    };
    said.max(payload.len())
}

#[cfg(test)]
mod tests {
    use cabinwatch_shared::wire::{MAX_MESSAGE_BYTES, write_envelope_head};
    use rumqttc::QoS;

    use super::*;

    fn delivery(payload: Vec<u8>) -> Delivery {
        Delivery::new("cabinwatch/v1/TC-JJA/up/frames", QoS::AtLeastOnce, payload, None)
    }

    fn waiting(payloads: impl IntoIterator<Item = Vec<u8>>) -> Waiting {
        let mut waiting = Waiting::default();
        payloads.into_iter().for_each(|payload| waiting.push(delivery(payload)));
        waiting
    }

    fn groups(mut waiting: Waiting, most: usize) -> Vec<usize> {
        let mut groups = Vec::new();
        while !waiting.is_empty() {
            groups.push(waiting.take_group(most).len());
        }
        assert_eq!(waiting.bytes, 0);
        groups
    }

    #[test]
    fn usual_messages_go_by_their_number_and_in_their_order() {
        let mut waiting = waiting((0..5).map(|number| vec![number]));
        let first: Vec<_> = waiting.take_group(2).iter().map(|delivery| delivery.payload[0]).collect();
        assert_eq!(first, [0, 1]);
        assert_eq!(groups(waiting, 2), [2, 1]);
    }

    #[test]
    fn messages_that_inflate_go_by_what_they_inflate_to() {
        let mut small = Vec::new();
        write_envelope_head(Encoding::Deflate { inflated: MAX_MESSAGE_BYTES as u32 }, &mut small);
        assert_eq!(groups(waiting(std::iter::repeat_n(small, 20)), 256), [16, 4]);
    }

    #[test]
    fn a_message_larger_than_a_group_is_a_group() {
        let huge = vec![0; GROUP_BYTES + 1];
        assert_eq!(groups(waiting([vec![1], huge.clone(), huge, vec![2]]), 256), [1, 1, 1, 1]);
    }

    #[test]
    fn there_is_room_again_once_messages_are_taken() {
        let largest = vec![0; MAX_PACKET_BYTES as usize];
        let mut waiting = waiting(std::iter::repeat_n(largest.clone(), usize::from(ALWAYS_FIT)));
        let next = delivery(largest);
        assert!(!waiting.has_room_for(&next));
        waiting.take_group(1);
        assert!(waiting.has_room_for(&next));
        waiting.clear();
        assert!(waiting.is_empty() && waiting.has_room_for(&next));
    }
}
