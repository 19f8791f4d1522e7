use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::model::{AgentRelease, Cohort, KeyIndex, ModelVersion};
use crate::tail::Tail;
use crate::time::UnixSeconds;
use crate::verdict::Alarms;

fn window() -> Frame<'static> {
    let z_only = Alarms { z: true, forest: false };
    Frame::Window(WindowFrame {
        start: UnixSeconds(1_795_248_600),
        length: 300,
        model: ModelVersion(3),
        points: [
            PointRow { point: PointName::Known(KeyIndex(2)), success: 40 },
            PointRow { point: PointName::Spelled("DNS"), success: 7 },
        ]
        .into_iter()
        .collect(),
        known: KnownRows::pack([
            KnownRow { key: KeyIndex(2), fail: 5, alarms: z_only },
            KnownRow { key: KeyIndex(9), fail: 1, alarms: Alarms::default() },
        ])
        .expect("in order"),
        spelled: core::iter::once(SpelledRow {
            edr_point: "DNS",
            description: "refused",
            fail: 2,
            alarms: 2,
        })
        .collect(),
    })
}

fn bytes(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    frame.write(&mut out).expect("encodes");
    out
}

#[test]
fn a_window_frame_is_these_bytes() {
    let expected: &[&[u8]] = &[
        &[0],                            // Window
        &[0xb0, 0xc7, 0x8a, 0xb0, 0x0d], // start, zigzag varint
        &[0xac, 0x02, 3],                // length 300, model 3
        &[2, 0, 2, 40],                  // two points: the one of key 2, 40 successes
        &[1, 3, b'D', b'N', b'S', 7],    // "DNS", 7 successes
        &[2, 2 << 2 | 1, 5, 6 << 2, 1],  // two known rows: key 2 with z alarm, key 9 (six between)
        &[1, 3, b'D', b'N', b'S', 7],    // one spelled row: DNS,
        b"refused",                      // refused,
        &[2, 2],                         // two failures, forest alarm
    ];
    assert_eq!(bytes(&window()), expected.concat());
}

#[test]
fn a_usual_known_row_takes_two_bytes() {
    let rows = (0..40).map(|key| KnownRow { key: KeyIndex(key), fail: 3, alarms: Alarms::default() });
    let packed = KnownRows::pack(rows).expect("in order");
    let mut out = Vec::new();
    crate::bytes::append_postcard(&packed, &mut out).expect("encodes");
    assert_eq!(out.len(), 1 + 2 * 40);
}

#[test]
fn the_other_frames_are_these_bytes() {
    let loss = Frame::Loss(LossFrame {
        reason: LossReason::Late,
        count: 300,
        since: UnixSeconds(1),
        until: UnixSeconds(2),
    });
    assert_eq!(bytes(&loss), [1, 7, 0xac, 0x02, 2, 4]);
    let (since, until) = (UnixSeconds(1), UnixSeconds(9));
    let end = LossFrame { reason: LossReason::UncleanEnd, count: 1, since, until };
    assert_eq!(bytes(&Frame::Loss(end)), [1, 13, 1, 2, 18]);
    let start = Frame::StreamStart(StreamStart::DatabaseSetAside { at: UnixSeconds(1) });
    assert_eq!(bytes(&start), [2, 1, 2]);
    let model = Frame::Model(ModelReport {
        version: ModelVersion(7),
        at: UnixSeconds(1),
        outcome: ModelOutcome::SelfTestFailed,
    });
    assert_eq!(bytes(&model), [3, 7, 2, 4]);
    let trial = TrialCounts { windows: 12, rows: 300, alarms: 9, quiet: 250, new_alarms: 2 };
    let rolled_back = Rollback { to: ModelVersion(6), cause: RollbackCause::SelfTest, trial };
    let model =
        |outcome| bytes(&Frame::Model(ModelReport { version: ModelVersion(7), at: UnixSeconds(1), outcome }));
    assert_eq!(
        model(ModelOutcome::RolledBack(rolled_back)),
        [3, 7, 2, 5, 6, 4, 12, 0xac, 0x02, 9, 0xfa, 0x01, 2]
    );
    assert_eq!(model(ModelOutcome::TrialPassed(trial)), [3, 7, 2, 6, 12, 0xac, 0x02, 9, 0xfa, 0x01, 2]);
    for (number, cause) in (0_u8..).zip(RollbackCause::ALL) {
        assert_eq!(postcard::to_slice(&cause, &mut [0; 4]).expect("encodes"), [number]);
    }
}

#[test]
fn the_reasons_number_as_the_format_says() {
    for (number, reason) in LossReason::ALL.into_iter().enumerate() {
        let mut out = Vec::new();
        crate::bytes::append_postcard(&reason, &mut out).expect("encodes");
        assert_eq!(out, [number as u8], "{}", reason.as_str());
    }
}

fn message(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    write_envelope_head(Encoding::Plain, &mut out);
    let head = MessageHead { stream: StreamId(0x1234), oldest: FrameSeq(5), first: FrameSeq(9) };
    write_head(&head, &mut out).expect("encodes");
    frames.iter().for_each(|frame| write_frame(&bytes(frame), &mut out).expect("fits"));
    out
}

#[test]
fn a_message_gives_its_frames_with_their_numbers() {
    let message = message(&[window(), window()]);
    assert_eq!(message[..6], [1, 0, 0xb4, 0x24, 5, 9]);
    let envelope = Envelope::parse(&message).expect("an envelope");
    let (head, frames) = Frames::parse(envelope.content).expect("a head");
    assert_eq!(head.oldest, FrameSeq(5));
    let frames: Vec<_> = frames.map(|frame| frame.expect("whole")).collect();
    assert_eq!(frames.iter().map(|frame| frame.seq.0).collect::<Vec<_>>(), [9, 10]);
    assert!(frames.iter().all(|frame| frame.decode() == Ok(window())));
}

#[test]
fn a_message_cut_anywhere_gives_fewer_frames_or_an_error_and_never_wrong_ones() {
    let whole = message(&[window(), window()]);
    for end in 0..whole.len() {
        let Ok(envelope) = Envelope::parse(&whole[..end]) else { continue };
        let Ok((_, frames)) = Frames::parse(envelope.content) else { continue };
        for frame in frames.flatten() {
            assert_eq!(frame.decode(), Ok(window()), "cut at {end}");
        }
    }
}

#[test]
fn what_a_future_version_sends_is_refused_by_its_version() {
    assert_eq!(Envelope::parse(&[2, 0, 1, 2]), Err(WireError::Version(2)));
    assert_eq!(Envelope::parse(&[1, 9]), Err(WireError::Encoding(9)));
    assert_eq!(Committed::parse(&[2, 1, 1]), Err(WireError::Version(2)));
    assert_eq!(FrameHead { seq: FrameSeq(1), bytes: &[4, 0, 0] }.decode(), Err(WireError::Value));
}

#[test]
fn claims_beyond_the_limits_are_refused() {
    assert_eq!(
        Envelope::parse(&[1, 1, 0xff, 0xff, 0xff, 0xff, 0]),
        Err(WireError::TooLarge(MAX_MESSAGE_BYTES))
    );
    // A window that claims 100 points.
    let many_points = [0, 0, 0xac, 0x02, 0, 100];
    assert!(FrameHead { seq: FrameSeq(1), bytes: &many_points }.decode().is_err());
}

#[test]
fn replies_are_these_bytes() {
    let mut out = Vec::new();
    Committed { stream: StreamId(300), seq: FrameSeq(12) }.write(&mut out).expect("encodes");
    assert_eq!(out, [1, 0xac, 0x02, 12]);
    assert_eq!(Committed::parse(&out), Ok(Committed { stream: StreamId(300), seq: FrameSeq(12) }));
    let mut out = Vec::new();
    let status = AgentStatus {
        release: AgentRelease(0, 1, 2),
        model: ModelVersion(3),
        stream: StreamId(4),
        oldest: FrameSeq(5),
        newest: FrameSeq(6),
        cohort: "canary".parse().expect("a cohort"),
        clock: ClockTrust::Doubtful,
    };
    LinkState::Online(status).write(&mut out).expect("encodes");
    assert_eq!(out, *b"\x01\0\0\x01\x02\x03\x04\x05\x06\x06canary\x02");
    assert_eq!(LinkState::parse(&[1, 1]), Ok(LinkState::Offline));
    assert_eq!(LinkState::parse(&[1, 1, 0]), Err(WireError::Trailing));
    let mut out = Vec::new();
    LinkState::Away { seconds: 3600 }.write(&mut out).expect("encodes");
    assert_eq!(out, [1, 2, 0x90, 0x1c]);
}

#[test]
fn topics_name_one_aircraft_each() {
    let tail: Tail = "TC-JJA".parse().expect("a tail");
    assert_eq!(Topic::Frames(&tail).to_string(), "cabinwatch/v1/TC-JJA/up/frames");
    assert_eq!(Topic::Ack(&tail).to_string(), "cabinwatch/v1/TC-JJA/down/ack");
    assert_eq!(Topic::Model(&Cohort::fleet()).to_string(), "cabinwatch/v1/models/fleet");
    assert_eq!(topics::parse("cabinwatch/v1/TC-JJA/up/frames"), Some((tail, "up/frames")));
    assert_eq!(topics::parse("cabinwatch/v1/bad tail/up/frames"), None);
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let content = Envelope::parse(&bytes).map_or(&bytes[..], |envelope| envelope.content);
        if let Ok((_, frames)) = Frames::parse(content) {
            for frame in frames.flatten() {
                if let Ok(Frame::Window(window)) = frame.decode() {
                    let _ = window.known.iter().count();
                }
            }
        }
        let _ = Committed::parse(&bytes);
        let _ = LinkState::parse(&bytes);
    }

    #[test]
    fn packed_rows_come_back(gaps in prop::collection::vec((0_u32..50, 0_u64..1000, 0_u8..4), 0..60)) {
        let mut next = 0;
        let rows: Vec<KnownRow> = gaps.into_iter().map(|(gap, fail, bits)| {
            let key = next + gap;
            next = key + 1;
            KnownRow { key: KeyIndex(key), fail, alarms: Alarms::from_bits(bits) }
        }).collect();
        let packed = KnownRows::pack(rows.iter().copied()).expect("in order");
        prop_assert_eq!(packed.iter().collect::<Result<Vec<_>, _>>(), Ok(rows));
    }
}
