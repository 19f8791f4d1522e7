//! Pages stay small whatever the tables hold.

use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::verdict::Alarms;

use super::site::{NOW, Site};
use crate::dashboard::assets::{ASSETS, Assets};
use crate::tables::ScoredWindow;
use crate::tables::examples::{row, window};

/// A page with style, script and icon.
const LIMIT: usize = 200_000;
const BOTH: Alarms = Alarms { z: true, forest: true };

/// As long as the agent lets them be, of what takes most room in markup.
fn worst_texts(number: usize) -> (String, String) {
    (format!("<\"{number:02}{}", "&".repeat(60)), format!("{number:02}{}", "'<".repeat(95)))
}

fn worst_window(tail: &str, start: i64, keys: usize) -> ScoredWindow {
    let mut scored = window(tail, start);
    let texts = (0..keys).map(worst_texts);
    scored.rows =
        texts.map(|(point, fault)| row(&point, &fault, Counts { fail: 61, success: 39 }, BOTH)).collect();
    scored.points = scored.rows.iter().map(|row| (row.edr_point.clone(), 39)).collect();
    scored
}

fn assets() -> usize {
    let Assets { style, script, icon } = &*ASSETS;
    [style, script, icon].into_iter().map(|asset| asset.len()).sum()
}

#[tokio::test]
async fn no_page_of_a_large_fleet_with_the_longest_texts_exceeds_its_limit() {
    let mut site = Site::new();
    let fleet: Vec<ScoredWindow> =
        (0..1000).map(|number| worst_window(&format!("TC-{number:013}"), NOW.0 - 600, 4)).collect();
    site.tables.replace(&fleet).expect("stored");
    let busy: Vec<ScoredWindow> =
        (0..96).map(|number| worst_window("TC-0000000000007", NOW.0 - 600 - number * 300, 30)).collect();
    site.tables.replace(&busy).expect("stored");
    // Every other key of that aircraft comes and goes, so that it has many anomalies.
    let gone: Vec<ScoredWindow> =
        (0..40).map(|number| worst_window("TC-0000000000007", NOW.0 - 80_000 + number * 1500, 30)).collect();
    site.tables.replace(&gone).expect("stored");
    let (point, fault) = worst_texts(1);
    let mut key = url::form_urlencoded::Serializer::new(String::new());
    let key = key.append_pair("point", &point).append_pair("fault", &fault).finish();
    let assets = assets();
    for path in [
        "/fleet",
        "/fleet?show=any&page=20",
        "/aircraft/TC-0000000000007",
        "/aircraft/TC-0000000000007?range=7d&show=any",
        &format!("/anomaly/TC-0000000000007/2026-11-21T08:00:00Z?{key}"),
    ] {
        let bytes = site.page(path).await.len() + assets;
        assert!(bytes <= LIMIT, "{path}: {bytes} bytes");
    }
}
