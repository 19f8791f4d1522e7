use cabinwatch_shared::wire::{FrameHead, FrameSeq, Frames, KnownRow, KnownRows, PointRow, SpelledRow};
use cabinwatch_shared::zscore::ZStatus;
use proptest::prelude::*;

use super::*;
use crate::ingest::fixture;

fn tail() -> Tail {
    "TC-JJA".parse().expect("a tail")
}

fn scored(bytes: &[u8], model: Option<&Model<'_>>) -> Result<Scored, Refusal> {
    let frame = FrameHead { seq: FrameSeq(1), bytes }.decode().expect("a frame");
    let Frame::Window(window) = frame else { panic!("a window") };
    score_window(&tail(), FrameSeq(1), &window, model)
}

fn with_model<T>(test: impl FnOnce(&Model<'_>) -> T) -> T {
    use cabinwatch_shared::model::{Limits, SignedBundle};
    let known = fixture::model(3);
    let signed = SignedBundle::parse(&known.bundle, &Limits::GROUND).expect("a bundle");
    let body = signed.verify(&[signed.signer()]).expect("signed");
    test(&Model::open(body, &Limits::GROUND).expect("a model"))
}

const BOTH: Alarms = Alarms { z: true, forest: true };

#[test]
fn a_window_is_scored_from_its_counts() {
    let scored = with_model(|model| scored(&fixture::known_window(0, 3, BOTH), Some(model))).expect("scored");
    let row = &scored.window.rows[0];
    assert_eq!(row.key(), fixture::DHCP);
    assert_eq!(row.counts, Counts { fail: 9, success: 1 });
    assert_eq!(row.verdict.z.value(), Some(40.0));
    assert_eq!((row.verdict.alarms, scored.differing), (BOTH, 0));
    assert_eq!(scored.window.points, [("DHCP".to_owned(), 1)]);
}

#[test]
fn where_the_agent_saw_other_alarms_ours_stand_and_it_is_counted() {
    let none = Alarms::default();
    let scored = with_model(|model| scored(&fixture::known_window(0, 3, none), Some(model))).expect("scored");
    assert_eq!((scored.window.rows[0].verdict.alarms, scored.differing), (BOTH, 1));
}

#[test]
fn without_a_model_spelled_rows_keep_the_agents_alarms_and_numbered_ones_wait() {
    let stored = scored(&fixture::spelled_window(0), None).expect("stored");
    assert_eq!(stored.window.rows[0].verdict.z.status(), ZStatus::NoModel);
    let refused = scored(&fixture::known_window(0, 3, BOTH), None).expect_err("refused");
    assert_eq!(refused.reason, SetAsideReason::UnknownModel(ModelVersion(3)));
    let of_no_model = scored(&fixture::known_window(0, 0, BOTH), None).expect_err("refused");
    assert_eq!(of_no_model.reason, SetAsideReason::Nonsense);
}

fn plain() -> WindowFrame<'static> {
    WindowFrame {
        start: UnixSeconds(600),
        length: 300,
        model: ModelVersion(0),
        points: core::iter::empty().collect(),
        known: KnownRows::default(),
        spelled: core::iter::empty().collect(),
    }
}

fn row(description: &'static str, fail: u64) -> SpelledRow<'static> {
    SpelledRow { edr_point: "DNS", description, fail, alarms: 0 }
}

#[test]
fn what_no_agent_means_is_refused() {
    let point = |success| PointRow { point: PointName::Spelled("DNS"), success };
    let off_grid = WindowFrame { start: UnixSeconds(601), ..plain() };
    let no_length = WindowFrame { length: 0, ..plain() };
    let far_future = WindowFrame { start: UnixSeconds(i64::MAX / 300 * 300), ..plain() };
    let twice = WindowFrame { spelled: [row("a", 1), row("a", 2)].into_iter().collect(), ..plain() };
    let no_failure = WindowFrame { spelled: [row("a", 0)].into_iter().collect(), ..plain() };
    let too_many = WindowFrame { spelled: [row("a", u64::MAX)].into_iter().collect(), ..plain() };
    let points_twice = WindowFrame { points: [point(1), point(2)].into_iter().collect(), ..plain() };
    let successes = WindowFrame { points: [point(u64::MAX)].into_iter().collect(), ..plain() };
    let long = "x".repeat(70_000);
    let long_row = SpelledRow { edr_point: "DNS", description: &long, fail: 1, alarms: 0 };
    let long_key = WindowFrame { spelled: [long_row].into_iter().collect(), ..plain() };
    let long_point = PointRow { point: PointName::Spelled(&long), success: 1 };
    let long_point = WindowFrame { points: [long_point].into_iter().collect(), ..plain() };
    for window in [
        off_grid,
        no_length,
        far_future,
        twice,
        no_failure,
        too_many,
        points_twice,
        successes,
        long_key,
        long_point,
    ] {
        let refused = score_window(&tail(), FrameSeq(1), &window, None).expect_err("refused");
        assert_eq!(refused.reason, SetAsideReason::Nonsense, "{window:?}");
    }
    let known = KnownRow { key: KeyIndex(9), fail: 1, alarms: BOTH };
    let no_such_key = WindowFrame { known: KnownRows::pack([known]).expect("in order"), ..plain() };
    let refused = with_model(|model| score_window(&tail(), FrameSeq(1), &no_such_key, Some(model)))
        .expect_err("refused");
    assert_eq!(refused.reason, SetAsideReason::Nonsense);
}

#[test]
fn a_message_inflates_to_what_it_says_and_no_more() {
    let frames = [fixture::spelled_window(0), fixture::spelled_window(1)];
    let deflated = fixture::deflated(7, 1, 1, &frames);
    let inflated = content(&deflated).expect("inflates");
    assert_eq!(Frames::parse(&inflated).expect("a head").1.count(), 2);
    let honest = inflated.len() as u32;
    for claimed in [0, honest - 1, honest + 1, 1 << 20] {
        let mut lying = deflated.clone();
        lying[2..6].copy_from_slice(&claimed.to_le_bytes());
        assert!(content(&lying).is_err(), "{claimed}");
    }
}

proptest! {
    #[test]
    fn any_payload_is_content_or_refused(payload in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = content(&payload);
    }

    #[test]
    fn any_deflate_stream_is_inflated_or_refused(stream in prop::collection::vec(any::<u8>(), 0..200), claimed in 0_u32..2_000_000) {
        let mut payload = vec![1, 1];
        payload.extend(claimed.to_le_bytes());
        payload.extend(stream);
        if let Ok(content) = content(&payload) {
            prop_assert_eq!(content.len(), claimed as usize);
        }
    }

    #[test]
    fn any_change_to_a_window_gives_rows_or_a_refusal(at in 0_usize..60, byte in any::<u8>(), known in any::<bool>()) {
        let mut bytes = if known { fixture::known_window(0, 3, BOTH) } else { fixture::spelled_window(0) };
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(Frame::Window(window)) = (FrameHead { seq: FrameSeq(1), bytes: &bytes }).decode() {
            let _ = score_window(&tail(), FrameSeq(1), &window, None);
            let _ = with_model(|model| score_window(&tail(), FrameSeq(1), &window, Some(model)));
        }
    }
}
