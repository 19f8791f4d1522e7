use axum::http::StatusCode;
use cabinwatch_shared::model::{AgentRelease, ModelVersion};
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::wire::{FrameSeq, LossFrame, LossReason, StreamId};

use super::site::{NOW, Site};
use crate::tables::examples::{row, window};
use crate::tables::{AircraftRecord, Batch, FrameId, LossRecord, ScoredWindow, SeqRange, StreamProgress};

const BOTH: Alarms = Alarms { z: true, forest: true };

fn windows(tail: &str, ago: impl IntoIterator<Item = i64>, fail: u64, alarms: Alarms) -> Vec<ScoredWindow> {
    let of = |ago: i64| {
        let mut scored = window(tail, NOW.0 - ago);
        scored.rows = vec![row("DHCP", "no address", Counts { fail, success: 100 - fail }, alarms)];
        scored.points = vec![("DHCP".to_owned(), 100 - fail)];
        scored
    };
    ago.into_iter().map(of).collect()
}

fn heard_of(tail: &str, ago: i64, online: bool) -> AircraftRecord {
    AircraftRecord {
        last_contact: Some(UnixSeconds(NOW.0 - ago)),
        online: Some(online),
        release: Some(AgentRelease(0, 6, 1)),
        model: Some(ModelVersion(3)),
        stream: Some(StreamId(7)),
        cohort: Some("fleet".to_owned()),
        ..AircraftRecord::of(tail.parse().expect("a tail"))
    }
}

/// TC-JJA has an open anomaly, TC-JJB had the same, TC-JJC lost something and has a backlog, and so has TC-JJD, of which
/// nothing is here but its word.
fn site() -> Site {
    let mut site = Site::new();
    let mut batch = Batch {
        aircraft: vec![
            heard_of("TC-JJA", 60, true),
            heard_of("TC-JJB", 7200, true),
            heard_of("TC-JJC", 60, true),
            heard_of("TC-JJD", 60, true),
        ],
        ..Batch::default()
    };
    batch.windows.extend(windows("TC-JJA", [1500, 1200, 900, 600], 61, BOTH));
    batch.windows.extend(windows("TC-JJB", [2700, 2400, 1200], 40, BOTH));
    batch.windows.extend(windows("TC-JJB", [900, 600, 300, 0], 10, Alarms::default()));
    let tail: cabinwatch_shared::tail::Tail = "TC-JJC".parse().expect("a tail");
    let frame = FrameId { tail: tail.clone(), stream: StreamId(7), seq: FrameSeq(2) };
    let at = UnixSeconds(NOW.0 - 3000);
    batch.losses.push(LossRecord {
        frame,
        loss: LossFrame { reason: LossReason::QueueFull, count: 1234, since: at, until: at },
    });
    let range = |first, last| SeqRange { first: FrameSeq(first), last: FrameSeq(last) };
    let overtaken = StreamProgress {
        tail,
        stream: StreamId(7),
        stored: vec![range(1, 4), range(25, 26)],
        oldest: FrameSeq(1),
        newest: FrameSeq(3),
        at: NOW,
    };
    let told = StreamProgress {
        tail: "TC-JJD".parse().expect("a tail"),
        stored: Vec::new(),
        newest: FrameSeq(1288),
        ..overtaken.clone()
    };
    batch.progress.extend([overtaken, told]);
    site.tables.commit(&batch).expect("stored");
    site
}

#[tokio::test]
async fn the_fleet_shows_what_is_open_why_and_where_else() {
    let page = site().page("/fleet").await;
    for text in [
        "<strong>1</strong><span>on 1 aircraft, 1 kind of fault</span>",
        "244 of 400 attempts failed (61.0%), usually 10.00 ± 2.50%; both detectors agree.",
        "since 21 Nov 07:45",
        "Also on TC-JJB.",
    ] {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    assert_eq!(page.matches(">open</span>").count(), 1);
    assert_eq!(page.matches(">over</span>").count(), 2, "TC-JJB's two, more than three windows apart");
}

#[tokio::test]
async fn each_aircraft_shows_contact_backlog_losses_and_model() {
    let page = site().page("/fleet").await;
    let row = |tail: &str| {
        let from = page.find(&format!("href=\"/aircraft/{tail}\"")).expect("listed");
        let row = page.get(from..).expect("there");
        row.get(..row.find("</tr>").expect("ends")).expect("there").to_owned()
    };
    assert!(row("TC-JJA").contains("connected") && row("TC-JJA").contains("1 min ago"));
    assert!(row("TC-JJB").contains("connected, but silent") && row("TC-JJB").contains("2 h ago"));
    assert!(row("TC-JJC").contains("20 frames"), "5 to 24 are on board: {}", row("TC-JJC"));
    assert!(row("TC-JJD").contains("1,288 frames"), "as it said when it connected: {}", row("TC-JJD"));
    assert!(row("TC-JJA").contains("data-label=\"Backlog\" class=\"num e\">–<"), "{}", row("TC-JJA"));
    assert!(row("TC-JJC").contains("1,234 queue full"));
    assert!(row("TC-JJC").contains(">3</td>"), "the model");
    let position = |tail: &str| page.find(&format!("href=\"/aircraft/{tail}\"")).expect("listed");
    assert!(
        position("TC-JJA") < position("TC-JJB") && position("TC-JJB") < position("TC-JJC"),
        "the worst comes first"
    );
}

#[tokio::test]
async fn an_aircraft_shows_what_it_still_has_on_board() {
    let site = site();
    let backlog = async |tail: &str| {
        let page = site.page(&format!("/aircraft/{tail}")).await;
        let from = page.find("<dt>Backlog on board</dt>").expect("there");
        page[from..].lines().next().expect("a line").chars().take(120).collect::<String>()
    };
    let said = backlog("TC-JJC").await;
    assert!(said.contains("20 frames, overtaken by 2"), "{said}");
    let said = backlog("TC-JJD").await;
    assert!(said.contains("1,288 frames<"), "{said}");
    let said = backlog("TC-JJA").await;
    assert!(said.contains("nothing known"), "{said}");
}

#[tokio::test]
async fn filters_stand_in_the_address() {
    let site = site();
    let lists = |page: &str, tail: &str| page.contains(&format!("href=\"/aircraft/{tail}"));
    let page = site.page("/fleet?state=lost").await;
    assert!(lists(&page, "TC-JJC") && !lists(&page, "TC-JJA"));
    let page = site.page("/fleet?state=silent").await;
    assert!(lists(&page, "TC-JJB") && !lists(&page, "TC-JJC"));
    let page = site.page("/fleet?aircraft=jja").await;
    assert!(lists(&page, "TC-JJA") && !lists(&page, "TC-JJB"));
    let page = site.page("/fleet?fault=portal").await;
    assert!(page.contains("No confirmed anomaly that fits the filter"), "{page}");
    let page = site.page("/fleet?since=2026-11-20T00:00&until=2026-11-20T12:00").await;
    assert!(page.contains("20 November 2026 00:00 to 12:00 UTC"), "{page}");
    assert!(page.contains("The newest one in the tables ended 21 November 2026 08:05 UTC."), "{page}");
}

#[tokio::test]
async fn an_aircraft_shows_its_heat_map_and_its_anomalies() {
    let page = site().page("/aircraft/TC-JJB").await;
    assert_eq!(page.matches("<td class=c>40").count(), 3, "confirmed windows");
    assert_eq!(page.matches("<td class=u>10").count(), 4, "usual windows");
    assert!(page.contains("Also on TC-JJA."), "{page}");
    assert!(page.contains("none open"));
    assert!(page.contains("0.6.1"));
}

#[tokio::test]
async fn an_anomaly_shows_counts_expectation_bounds_votes_and_others() {
    let page = site().page("/anomaly/TC-JJA/2026-11-21T07:45:00Z?point=DHCP&fault=no+address").await;
    for text in [
        "244 of 400",
        "<dt>Expected failures</dt><dd>40</dd>",
        "56.1% to 65.7%",
        "alarm in 4 of 4 windows",
        "1 window confirmed",
        "href=\"/anomaly/TC-JJB/",
        "<svg aria-hidden=\"true\"",
        "highest 61.0%",
    ] {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
}

#[tokio::test]
async fn any_second_of_an_anomaly_names_it() {
    let site = site();
    let begin = site.page("/anomaly/TC-JJA/2026-11-21T07:45:00Z?point=DHCP&fault=no+address").await;
    let within = site.page("/anomaly/TC-JJA/2026-11-21T07:52:07Z?point=DHCP&fault=no+address").await;
    assert_eq!(begin, within);
}

#[tokio::test]
async fn what_is_not_there_is_said_on_a_page() {
    let site = site();
    for (path, status) in [
        ("/fleet?rnage=1h", StatusCode::BAD_REQUEST),
        ("/fleet?page=0", StatusCode::BAD_REQUEST),
        ("/aircraft/TC-JJA?range=1", StatusCode::BAD_REQUEST),
        ("/aircraft/TC-NONE", StatusCode::NOT_FOUND),
        ("/aircraft/..%2Fetc", StatusCode::NOT_FOUND),
        ("/anomaly/TC-JJA/yesterday?point=DHCP&fault=x", StatusCode::BAD_REQUEST),
        ("/anomaly/TC-JJA/2026-11-21T07:45:00Z", StatusCode::BAD_REQUEST),
        ("/anomaly/TC-JJA/2026-11-21T07:45:00Z?point=DHCP&fault=other", StatusCode::NOT_FOUND),
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(
            answer.text.contains("<h1>") && answer.text.contains("To the fleet"),
            "{path}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn tables_that_are_not_there_are_said_to_be_unreadable() {
    use std::sync::Arc;

    use crate::config::TablesConfig;
    use crate::dashboard::{Parts, TrustedProxy, router};
    use crate::tables;

    let mut site = Site::new();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let open = || tables::open_to_read("sqlite:///nowhere/tables.db", &TablesConfig::default());
    let parts = Parts {
        open_tables: Box::new(open),
        name_of_key: Arc::new(|_| None),
        proxy: Some(TrustedProxy {
            header: "x-forwarded-user".parse().expect("a header"),
            is_trusted: Arc::new(|_| true),
        }),
        secure: false,
        stopped,
        clock: Arc::new(|| NOW),
    };
    site.router = router(parts).expect("started");
    let answer = site.get("/fleet").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        answer.text.contains("cannot be read at the moment") && !answer.text.contains("nowhere"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn aircraft_of_a_large_fleet_come_page_by_page() {
    let mut site = Site::new();
    let aircraft = (0..120).map(|number| heard_of(&format!("TC-{number:03}"), 60, true)).collect();
    site.tables.commit(&Batch { aircraft, ..Batch::default() }).expect("stored");
    let first = site.page("/fleet").await;
    assert!(
        first.contains("1 to 50 of 120") && first.contains("rel=\"next\" href=\"/fleet?page=2\""),
        "{first}"
    );
    let last = site.page("/fleet?page=3").await;
    assert!(last.contains("101 to 120 of 120") && last.contains("TC-119") && !last.contains("rel=\"next\""));
    let behind = site.page("/fleet?page=9").await;
    assert!(behind.contains("behind the last") && behind.contains("href=\"/fleet?page=3\""), "{behind}");
}

/// Passengers have left: nobody tries anything for an hour, with power on.
#[tokio::test]
async fn an_anomaly_that_was_over_does_not_open_again_when_nobody_tries() {
    let mut site = Site::new();
    let quiet = |ago: i64, points: &[(&str, u64)]| {
        let points = points.iter().map(|(point, success)| ((*point).to_owned(), *success)).collect();
        ScoredWindow { rows: Vec::new(), points, ..window("TC-JJA", NOW.0 - ago) }
    };
    site.tables.replace(&windows("TC-JJA", [7200, 6900, 6600], 61, BOTH)).expect("stored");
    let untried: Vec<ScoredWindow> =
        (0..15).map(|number| quiet(4500 - 300 * number, &[("DNS", 3)])).collect();
    site.tables.replace(&untried).expect("stored");
    let page = site.page("/fleet").await;
    assert_eq!(page.matches(">open</span>").count(), 1, "nobody has tried DHCP since: {page}");
    let mut site = Site::new();
    site.tables.replace(&windows("TC-JJA", [7200, 6900, 6600], 61, BOTH)).expect("stored");
    site.tables.replace(&[quiet(5400, &[("DHCP", 40)])]).expect("stored");
    site.tables.replace(&untried).expect("stored");
    let page = site.page("/fleet").await;
    assert_eq!(page.matches(">over</span>").count(), 1, "{page}");
}

/// The time of a page goes on, and with it where what it reads of a long anomaly begins.
#[tokio::test]
async fn an_anomaly_that_goes_on_before_the_time_of_the_page_says_so_and_stays_the_same_one() {
    let mut site = Site::new();
    site.tables.replace(&windows("TC-JJA", (0..60).map(|number| 300 * number), 61, BOTH)).expect("stored");
    let mut ids = Vec::new();
    for since in ["2026-11-21T06:00", "2026-11-21T06:05", "2026-11-21T06:17"] {
        let page = site.page(&format!("/fleet?since={since}&until=2026-11-21T09:00")).await;
        assert!(page.contains(" or earlier"), "{page}");
        let (_, id) = page.split_once("data-id=\"").expect("listed");
        ids.push(id.split('"').next().unwrap_or_default().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let whole = site.page("/fleet").await;
    assert!(whole.contains("since 21 Nov 03:15 (") && !whole.contains("or earlier"), "{whole}");
}

#[tokio::test]
async fn a_sum_of_losses_that_lacks_some_says_so() {
    let mut site = Site::new();
    let at = UnixSeconds(NOW.0 - 600);
    let loss = LossFrame { reason: LossReason::Late, count: 1, since: at, until: at };
    let losses = |seqs: std::ops::Range<u64>| {
        let tail: cabinwatch_shared::tail::Tail = "TC-JJA".parse().expect("a tail");
        let frame = move |seq| FrameId { tail: tail.clone(), stream: StreamId(7), seq: FrameSeq(seq) };
        let losses = seqs.map(|seq| LossRecord { frame: frame(seq), loss }).collect();
        Batch { losses, ..Batch::default() }
    };
    let note = "There is more than one page reads";
    site.tables.commit(&losses(1..1000)).expect("stored");
    let page = site.page("/fleet").await;
    assert!(page.contains("999 late") && !page.contains(note), "{page}");
    site.tables.commit(&losses(1000..20_002)).expect("stored");
    // An answer is as good as new for two seconds; another time is another question.
    let page = site.page("/fleet?range=6h").await;
    assert!(page.contains("20,000 late") && page.contains(note), "{page}");
}
