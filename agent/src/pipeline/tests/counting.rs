use cabinwatch_shared::wire::{Frame, LossFrame, LossReason, MAX_POINTS, StreamStart};

use super::*;

const LATE: Counter = Counter::Lost(LossReason::Late);

#[test]
fn the_first_frame_says_that_there_was_no_database() {
    let agent = Agent::start();
    let frames = agent.frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].seq, FrameSeq(1));
    assert!(matches!(frames[0].decode(), Frame::StreamStart(StreamStart::NoDatabase { at }) if at.0 == T0));
}

#[test]
fn a_window_closes_in_event_time_with_its_counts() {
    let mut agent = Agent::start();
    agent.clock.advance(1000);
    agent.events(&[
        (1, "DHCP", "no address", FAIL),
        (2, "DHCP", "no address", FAIL),
        (3, "DHCP", "", SUCCESS),
        (4, "DNS", "refused", FAIL),
        (299, "PORTAL", "", SUCCESS),
    ]);
    assert!(agent.windows().is_empty());
    agent.events(&[(329, "DNS", "", SUCCESS)]);
    assert!(agent.windows().is_empty(), "it waits for late events");
    agent.events(&[(330, "DNS", "", SUCCESS)]);
    let points = owned(&[("DHCP", 1), ("PORTAL", 1)]);
    assert_eq!(agent.windows(), [(0, points, owned(&[("DHCP | no address", 2), ("DNS | refused", 1)]))]);
}

#[test]
fn an_idle_window_closes_when_its_time_has_run_out() {
    let mut agent = Agent::start();
    agent.events(&[(0, "DNS", "refused", FAIL)]);
    agent.pass(329);
    assert!(agent.windows().is_empty());
    agent.pass(1);
    assert_eq!(agent.windows().len(), 1);
    agent.pass(600);
    assert_eq!(agent.windows().len(), 1, "a window without events makes no frame");
}

#[test]
fn a_clock_that_steps_back_makes_no_window_twice() {
    let mut agent = Agent::start();
    agent.events(&[(0, "DNS", "refused", FAIL)]);
    agent.pass(330);
    agent.clock.set_wall(T0);
    agent.events(&[(1, "DNS", "refused", FAIL)]);
    agent.pass(600);
    // The event happened now, whatever the clock shows.
    assert_eq!(agent.windows().iter().map(|window| window.0).collect::<Vec<_>>(), [0, 300]);
    assert_eq!(agent.counted(LATE), 0);
}

#[test]
fn late_events_are_counted_and_reported() {
    let mut agent = Agent::start();
    agent.clock.advance(700);
    agent.events(&[(0, "DNS", "refused", FAIL), (400, "DNS", "refused", FAIL)]);
    agent.events(&[(10, "DNS", "refused", FAIL), (370, "DNS", "refused", FAIL)]);
    assert_eq!(agent.counted(LATE), 1);
    agent.events(&[(700, "DNS", "refused", FAIL)]);
    let frames = agent.frames();
    let losses: Vec<_> =
        frames.iter().map(StoredBytes::decode).filter(|f| matches!(f, Frame::Loss(_))).collect();
    let at = cabinwatch_shared::time::UnixSeconds(T0 + 700);
    assert_eq!(losses, [Frame::Loss(LossFrame { reason: LossReason::Late, count: 1, since: at, until: at })]);
}

#[test]
fn losses_are_reported_without_a_window_too_and_only_once() {
    let mut agent = Agent::start();
    let mut batch = EventBatch::default();
    batch.lose(LossReason::Malformed, 7);
    agent.take(Input::Batch(batch));
    agent.pass(900);
    let frames = agent.frames();
    assert_eq!(frames.len(), 2);
    assert!(matches!(
        frames[1].decode(),
        Frame::Loss(LossFrame { reason: LossReason::Malformed, count: 7, .. })
    ));
}

#[test]
fn events_from_the_far_future_are_refused_and_from_the_near_one_wait_for_their_window() {
    let mut agent = Agent::start();
    agent.events(&[
        (601, "DNS", "refused", FAIL),
        (600, "DNS", "refused", FAIL),
        (0, "DNS", "refused", FAIL),
    ]);
    assert_eq!(agent.counted(Counter::Lost(LossReason::Future)), 1);
    // The one dated ahead does not make the present late.
    assert_eq!(agent.counted(LATE), 0);
    agent.pass(931);
    assert_eq!(agent.windows().iter().map(|window| window.0).collect::<Vec<_>>(), [0, 600]);
}

#[test]
fn failures_of_too_many_keys_count_as_other() {
    let mut agent = Agent::start_with(|settings| settings.counting.keys = 2);
    agent.events(&[(0, "A", "1", FAIL), (0, "A", "2", FAIL), (0, "A", "3", FAIL), (0, "A", "4", FAIL)]);
    agent.events(&[(0, "A", "1", FAIL), (0, "A", "", SUCCESS)]);
    assert_eq!(agent.counted(Counter::KeyOverflow), 2);
    agent.pass(330);
    let keys = owned(&[("A | 1", 2), ("A | 2", 1), ("OTHER | OTHER", 2)]);
    assert_eq!(agent.windows(), [(0, owned(&[("A", 1)]), keys)]);
    // The next window begins afresh.
    agent.events(&[(330, "A", "3", FAIL)]);
    agent.pass(330);
    assert_eq!(agent.windows()[1].2, owned(&[("A | 3", 1)]));
}

#[test]
fn successes_with_too_many_descriptions_still_count_for_their_point() {
    let mut agent = Agent::start_with(|settings| settings.counting.keys = 2);
    for text in ["a", "b", "c", "d"] {
        agent.events(&[(0, "A", text, SUCCESS)]);
    }
    agent.pass(330);
    assert_eq!(agent.windows(), [(0, owned(&[("A", 4)]), Vec::new())]);
    assert_eq!(agent.counted(Counter::KeyOverflow), 2);
}

#[test]
fn events_of_points_beyond_the_limit_are_counted_as_lost() {
    let mut agent = Agent::start();
    for point in 0..=MAX_POINTS {
        agent.events(&[(0, &format!("P{point:02}"), "", SUCCESS), (0, &format!("P{point:02}"), "x", FAIL)]);
    }
    assert_eq!(agent.counted(Counter::Lost(LossReason::PointOverflow)), 2);
    agent.pass(330);
    let (_, points, keys) = &agent.windows()[0];
    assert_eq!((points.len(), keys.len()), (MAX_POINTS, MAX_POINTS));
}

#[test]
fn a_window_full_of_everything_still_fits_its_frame() {
    let mut agent = Agent::start();
    let long = "ü".repeat(200);
    for key in 0..400 {
        agent.events(&[(0, &format!("P{:02}{long}", key % MAX_POINTS), &format!("{key:03}{long}"), FAIL)]);
        agent.events(&[(0, &format!("P{:02}{long}", key % MAX_POINTS), &format!("{key:03}{long}"), SUCCESS)]);
    }
    agent.events(&[(0, "OTHER", "", SUCCESS)]);
    agent.pass(330);
    let (_, points, keys) = &agent.windows()[0];
    assert_eq!((points.len(), keys.len()), (MAX_POINTS, 257));
    assert_eq!(points.iter().map(|(_, count)| count).sum::<u64>(), 400);
    assert_eq!(keys.iter().map(|(_, count)| count).sum::<u64>(), 400);
    assert!(agent.counted(Counter::TextCut) >= 800);
}

#[test]
fn memory_for_keys_is_bounded() {
    let mut agent = Agent::start_with(|settings| {
        settings.length = length(1);
        settings.counting.keys_in_memory = 20;
    });
    for second in 0..30 {
        for key in 0..5 {
            agent.events(&[(second, "A", &format!("{second} {key}"), FAIL)]);
        }
    }
    assert!(agent.engine().store.keys_in_memory_count() <= 21);
    assert_eq!(agent.counted(Counter::Events), 150);
    agent.pass(61);
    assert_eq!(agent.windows().iter().flat_map(|window| &window.2).map(|(_, fail)| fail).sum::<u64>(), 150);
}

#[test]
fn a_batch_is_told_that_it_is_stored_only_once_it_is() {
    let mut agent = Agent::start();
    let told = Arc::new(AtomicBool::new(false));
    let mut batch = EventBatch::default();
    push(&mut batch, (0, "DNS", "refused", FAIL));
    let tell = Arc::clone(&told);
    batch.on_stored = Some(Box::new(move || tell.store(true, std::sync::atomic::Ordering::Relaxed)));
    agent.take(Input::Batch(batch));
    assert!(!told.load(std::sync::atomic::Ordering::Relaxed));
    agent.pass(1);
    assert!(told.load(std::sync::atomic::Ordering::Relaxed));
}
