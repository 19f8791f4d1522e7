use std::collections::HashMap;
use std::fs;
use std::num::NonZeroU32;

use cabinwatch_shared::event::State;
use cabinwatch_shared::time::UnixMillis;

use super::*;

const START: UnixSeconds = UnixSeconds(1_795_132_800);

fn plan() -> FleetPlan {
    FleetPlan { seed: 7, aircraft: 3, start: START, seconds: 86_400, events: Some(40_000), faults: 6 }
}

fn all(fleet: &Fleet) -> Vec<SimulatedEvent> {
    (0..fleet.aircraft().len()).flat_map(|aircraft| fleet.events(aircraft)).collect()
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let events = all(&Fleet::new(plan()));
    assert_eq!(events, all(&Fleet::new(plan())));
    assert_ne!(events, all(&Fleet::new(FleetPlan { seed: 8, ..plan() })));
}

#[test]
fn another_aircraft_changes_nothing_about_the_first_ones_flights() {
    let larger = Fleet::new(FleetPlan { aircraft: 5, ..plan() });
    assert_eq!(larger.aircraft()[..3], Fleet::new(plan()).aircraft()[..]);
}

#[test]
fn events_come_in_the_order_of_time_within_the_period_and_about_as_many_as_wanted() {
    let fleet = Fleet::new(plan());
    let (start, end) = fleet.period();
    for aircraft in 0..3 {
        let times: Vec<UnixMillis> = fleet.events(aircraft).map(|event| event.event.at).collect();
        assert!(times.is_sorted());
        assert!(times.iter().all(|at| start.millis() <= *at && *at < end.millis()));
    }
    let events = all(&fleet).len();
    assert!((30_000..50_000).contains(&events), "{events}");
    assert_eq!(fleet.events(99).count(), 0);
}

#[test]
fn a_good_day_is_mostly_good_and_its_counts_scatter_more_than_chance() {
    let fleet = Fleet::new(FleetPlan { faults: 0, ..plan() });
    let events = all(&fleet);
    let failed = events.iter().filter(|event| event.event.state == State::Fail).count();
    let share = failed as f64 / events.len() as f64;
    assert!((0.02..0.12).contains(&share), "{share}");
    let mut slots: HashMap<i64, f64> = HashMap::new();
    for event in
        fleet.events(0).filter(|event| event.phase == Phase::Cruise && event.event.key.edr_point == "WIFI")
    {
        *slots.entry(event.event.at.0 / 900_000).or_default() += 1.0;
    }
    let mean = slots.values().sum::<f64>() / slots.len() as f64;
    let variance = slots.values().map(|count| (count - mean).powi(2)).sum::<f64>() / slots.len() as f64;
    assert!(variance > 2.0 * mean, "variance {variance} of mean {mean}");
}

#[test]
fn a_fault_shows_where_and_when_its_label_says() {
    let base = Fleet::new(FleetPlan { faults: 0, events: Some(200_000), ..plan() });
    let flight = base.aircraft()[1].flights[0].clone();
    for kind in FaultKind::ALL {
        let fault = Fault {
            tail: base.aircraft()[1].tail.clone(),
            edr_point: "DHCP",
            description: "no address available",
            kind,
            start: flight.cruise,
            end: flight.descent,
        };
        let fleet = base.clone().with_faults(vec![fault.clone()]);
        let share = |aircraft: usize, within: bool| {
            let inside = |at: UnixMillis| (fault.start.millis() <= at && at < fault.end.millis()) == within;
            let tried: Vec<_> = fleet
                .events(aircraft)
                .map(|event| event.event)
                .filter(|event| event.key.edr_point == "DHCP" && inside(event.at))
                .collect();
            let failed = tried.iter().filter(|event| event.key.description == fault.description).count();
            failed as f64 / tried.len().max(1) as f64
        };
        assert!(share(1, true) > 0.2, "{kind:?}: {}", share(1, true));
        assert!(share(1, false) < 0.03, "{kind:?}");
        assert!(share(0, true) < 0.05, "{kind:?}: another aircraft");
    }
}

#[test]
fn files_hold_their_slices_and_labels_the_faults() {
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = Fleet::new(plan());
    let files = FilePlan {
        folder: folder.path().to_owned(),
        prefix: "e".to_owned(),
        files_per_day: NonZeroU32::new(24).expect("not zero"),
    };
    let mut seen = 0;
    let written = write_files(&fleet, &files, || seen += 1).expect("written");
    assert_eq!((written.files, seen), (24, 24));
    assert_eq!(written.rows, all(&fleet).len() as u64);
    let history = crate::history::open(
        &format!("file://{}", folder.path().display()),
        "e",
        crate::config::HistoryConfig::default().timeout(),
    )
    .expect("a folder");
    let listing = history.list().expect("a listing");
    assert_eq!(listing.files.len(), 24);
    assert_eq!(listing.files[0].cut, UnixSeconds(START.0 + 3600));
    let options = crate::history::ReadOptions {
        window: cabinwatch_shared::window::WindowLength::FIVE_MINUTES,
        max_line_bytes: 1000,
        strict: true,
    };
    let read =
        crate::history::aggregate(&*history, &listing.files, &options, &|| ()).expect("all rows are good");
    assert_eq!(read.summary.rows, written.rows);
    let labels = fs::read_to_string(folder.path().join("labels.csv")).expect("there");
    assert!(labels.starts_with("tail,edr_point,description,kind,start,end\n"));
    assert_eq!(labels.lines().count(), 7);
}

#[test]
fn a_period_that_no_file_name_can_hold_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = Fleet::new(FleetPlan { start: UnixSeconds(0), seconds: 3600, ..plan() });
    let files = FilePlan {
        folder: folder.path().to_owned(),
        prefix: "e".to_owned(),
        files_per_day: NonZeroU32::new(24).expect("not zero"),
    };
    assert!(matches!(write_files(&fleet, &files, || ()), Err(SimulateError::Instant(_))));
}
