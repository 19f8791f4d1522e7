use cabinwatch_shared::wire::LossReason;
use proptest::prelude::*;

use super::*;
use crate::store::counters::Counter;

fn event(at: i64, key: u32, state: State) -> LoggedEvent {
    LoggedEvent { at: UnixMillis(at), key: KeyId(key), state }
}

#[test]
fn a_group_is_these_bytes() {
    let mut group = GroupWriter::default();
    group.push(event(1000, 1, State::Fail));
    group.push(event(1001, 100, State::Success));
    group.push(event(999, 2, State::Fail));
    group.reach(Cursor { name: "t".to_owned(), position: vec![9] });
    group.reach(Cursor { name: "t".to_owned(), position: vec![8, 7] });
    group.counts().add(Counter::Lost(LossReason::Late), 300);
    group.counts().add(Counter::Events, 3);
    let (bytes, cursors, _) = group.finish(GroupHead::Dated { watermark: Some(UnixMillis(1001)) });
    let expected: &[&[u8]] = &[
        &[1],                       // version
        &[0xd2, 0x0f],              // watermark 1001, zigzag
        &[1, 1, b't', 2, 8, 7],     // one cursor, its last word
        &[2, 7, 0xac, 0x02, 64, 3], // two counts: late 300, events 3
        &[3],                       // three events
        &[1 << 1 | 1, 0xd0, 0x0f],  // key 1 failed at 1000
        &[0xc8, 0x01, 2],           // key 100 succeeded 1 ms later
        &[2 << 1 | 1, 3],           // key 2 failed 2 ms before that
    ];
    assert_eq!(bytes, expected.concat());
    assert_eq!(cursors.len(), 1);
    assert!(group.is_empty());
}

#[test]
fn a_provisional_group_is_these_bytes() {
    let mut group = GroupWriter::default();
    let fail = |stamp| ProvisionalEvent { stamp, key: KeyId(1), state: State::Fail };
    group.push_provisional(fail(Stamp::SinceBoot(BootMillis(1000))));
    group.push_provisional(fail(Stamp::Own(UnixMillis(1002))));
    let head = GroupHead::Provisional { boot: BootId(7), written: BootMillis(1001) };
    let (bytes, _, _) = group.finish(head);
    let expected: &[&[u8]] = &[
        &[2],     // provisional
        &[0; 15], // of boot 7
        &[7],
        &[0xd2, 0x0f],             // written 1001 ms after it, zigzag
        &[0, 0],                   // no cursor, no count
        &[2],                      // two events
        &[1 << 2 | 1, 0xd0, 0x0f], // key 1 failed 1000 ms after the boot
        &[1 << 2 | 2 | 1, 4],      // key 1 failed at 1002 of its own calendar
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn a_usual_event_takes_two_bytes() {
    let mut group = GroupWriter::default();
    (0..100).for_each(|at| group.push(event(1_795_248_600_000 + at, 40, State::Fail)));
    let (bytes, _, _) = group.finish(GroupHead::Dated { watermark: None });
    assert!(bytes.len() < 2 * 100 + 24, "{} bytes", bytes.len());
}

fn any_event() -> impl Strategy<Value = LoggedEvent> {
    (any::<i64>(), any::<u32>(), any::<bool>())
        .prop_map(|(at, key, fail)| event(at, key, if fail { State::Fail } else { State::Success }))
}

proptest! {
    #[test]
    fn a_group_comes_back(
        events in prop::collection::vec(any_event(), 0..50),
        watermark in prop::option::of(i64::MIN + 1..),
        late in 0_u64..,
        position in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut group = GroupWriter::default();
        events.iter().for_each(|event| group.push(*event));
        group.reach(Cursor { name: "tail:/var/log/radius.log".to_owned(), position });
        group.counts().add(Counter::Lost(LossReason::Late), late);
        let head = GroupHead::Dated { watermark: watermark.map(UnixMillis) };
        let (bytes, cursors, counts) = group.finish(head);
        let read = EventGroup::parse(&bytes).expect("a group");
        prop_assert_eq!(read.head, head);
        prop_assert_eq!(&read.cursors, &cursors);
        prop_assert_eq!(&read.counts, &counts);
        prop_assert_eq!(read.events().collect::<Result<Vec<_>, _>>(), Ok(events));
        // Cut anywhere it is an error, never other events.
        for end in 0..bytes.len() {
            let cut = EventGroup::parse(&bytes[..end]);
            prop_assert!(cut.is_err() || cut.expect("parsed").events().any(|event| event.is_err()));
        }
    }

    #[test]
    fn a_provisional_group_comes_back(
        events in prop::collection::vec((any::<i64>(), any::<u32>(), any::<bool>(), any::<bool>()), 0..50),
        boot in any::<u128>(),
        written in any::<i64>(),
    ) {
        let events: Vec<_> = events.into_iter().map(|(at, key, own, fail)| ProvisionalEvent {
            stamp: if own { Stamp::Own(UnixMillis(at)) } else { Stamp::SinceBoot(BootMillis(at)) },
            key: KeyId(key),
            state: if fail { State::Fail } else { State::Success },
        }).collect();
        let mut group = GroupWriter::default();
        events.iter().for_each(|event| group.push_provisional(*event));
        let head = GroupHead::Provisional { boot: BootId(boot), written: BootMillis(written) };
        let (bytes, _, _) = group.finish(head);
        let read = EventGroup::parse(&bytes).expect("a group");
        prop_assert_eq!(read.head, head);
        prop_assert_eq!(read.events().count(), 0);
        prop_assert_eq!(read.provisional().collect::<Result<Vec<_>, _>>(), Ok(events));
    }

    #[test]
    fn any_bytes_are_a_group_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(kind) = bytes.first_mut() {
            *kind = if *kind % 2 == 0 { DATED } else { PROVISIONAL };
        }
        if let Ok(group) = EventGroup::parse(&bytes) {
            prop_assert!(group.events().count() + group.provisional().count() <= bytes.len() + 1);
        }
    }
}
