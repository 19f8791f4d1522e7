//! Texts from aircraft are texts, whatever they hold.

use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::verdict::Alarms;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::site::{NOW, Site};
use crate::tables::examples::{row, window};

const BOTH: Alarms = Alarms { z: true, forest: true };

/// The tags of a page with their attributes' names, and no text: what a text could break out into.
fn skeleton(page: &str) -> String {
    let mut skeleton = String::new();
    let mut rest = page;
    while let Some((_, tag)) = rest.split_once('<') {
        let (mut quoted, mut ended) = (false, tag.len());
        for (at, letter) in tag.char_indices() {
            match letter {
                '"' => {
                    quoted = !quoted;
                    skeleton.push('"');
                }
                '>' if !quoted => {
                    ended = at;
                    break;
                }
                letter if !quoted => skeleton.push(letter),
                _ => {}
            }
        }
        skeleton.push('\n');
        rest = tag.get(ended..).unwrap_or_default();
    }
    skeleton
}

async fn pages(point: &str, fault: &str) -> Vec<String> {
    let mut site = Site::new();
    let mut scored = window("TC-JJA", NOW.0 - 600);
    scored.rows = vec![row(point, fault, Counts { fail: 61, success: 39 }, BOTH)];
    scored.points = vec![(point.to_owned(), 39)];
    site.tables.replace(&[scored]).expect("stored");
    let mut key = url::form_urlencoded::Serializer::new(String::new());
    let key = key.append_pair("point", point).append_pair("fault", fault).finish();
    let mut pages = Vec::new();
    for path in ["/fleet", "/aircraft/TC-JJA", &format!("/anomaly/TC-JJA/2026-11-21T08:00:00Z?{key}")] {
        pages.push(skeleton(&site.page(path).await));
    }
    pages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_text_breaks_out_of_the_markup(
        point in "[<>&\"'/= a-z\u{202e}\u{0}\n-]{1,20}|<script>[a-z]{1,9}</script>|\" onload=\"[a-z]{1,5}",
        fault in "\\PC{1,40}|'><img src=[a-z]{1,9}>|-->|\\]\\]>|</textarea>",
    ) {
        let runtime = Runtime::new().expect("a runtime");
        let plain = runtime.block_on(pages("DHCP", "no address"));
        prop_assert_eq!(runtime.block_on(pages(&point, &fault)), plain);
    }
}

#[tokio::test]
async fn a_filter_comes_back_as_text() {
    let site = Site::new();
    let page = site.page("/fleet?fault=%22%3E%3Cscript%3E").await;
    assert!(page.contains("value=\"&#34;&#62;&#60;script&#62;\""), "{page}");
    assert!(!page.contains("<script>"));
}

#[tokio::test]
async fn no_page_holds_a_style_or_a_script_of_its_own_nor_anything_from_elsewhere() {
    let mut site = Site::new();
    site.tables.replace(&[window("TC-JJA", NOW.0 - 600)]).expect("stored");
    let anomaly = "/anomaly/TC-JJA/2026-11-21T08:00:00Z?point=DHCP&fault=no+address%2C+none";
    for path in ["/fleet", "/aircraft/TC-JJA", anomaly, "/aircraft/none", "/fleet?x=1"] {
        let page = site.get(path).await.text;
        for forbidden in [" style=", "<style", " onclick=", "src=\"http", "href=\"http", "url(", "@import"] {
            assert!(!page.contains(forbidden), "{path}: {forbidden}");
        }
        assert_eq!(page.matches("<script").count(), 1, "{path}: only ours");
    }
}
