//! The report as a whole: from tables to the mail in a folder.

mod fixture;

use std::path::Path;

use cabinwatch_shared::window::{Window, WindowLength};
use cabinwatch_shared::wire::LossReason;
use fixture::{Fixture, MORNING, Mime, Rates, minutes};
use proptest::prelude::*;

use super::attachment::Attachment;
use super::identity::Identity;
use super::{ReportError, Run, Stretch};
use crate::config::Language;
use crate::tables::{Query, Table, TableRow};

#[test]
fn the_mail_is_text_or_html_with_pictures_and_a_csv() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
    let mail = fixture.send();
    assert_eq!(
        mail.structure(),
        "multipart/mixed(multipart/alternative(text/plain multipart/related(text/html image/png)) text/csv)"
    );
    assert!(mail.header("Content-ID").is_none(), "pictures have one, the mail has none");
    assert!(mail.html().contains(r#"<img src="cid:rate-1@cabinwatch""#));
    let pictures = mail.parts("image/png");
    assert_eq!(pictures.len(), 1);
    assert!(pictures[0].starts_with(b"\x89PNG\r\n\x1a\n"));
}

#[test]
fn the_subject_counts_the_confirmed_anomalies_and_names_the_period() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
    let sent = fixture.reported();
    assert_eq!(sent.confirmed, 3);
    assert_eq!(sent.subject, "Cabinwatch: 3 confirmed anomalies, 21 November 2026 08:10 to 12:10 UTC");
    assert_eq!(Mime::read(sent.path().expect("a file")).header("Subject"), Some(sent.subject.as_str()));
}

#[test]
fn each_confirmed_anomaly_stands_in_html_and_text_with_all_its_figures() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
    let mail = fixture.send();
    for part in [mail.html(), mail.text()] {
        for figure in [
            "TC-JJA",
            "DHCP | no address available",
            "11:40–11:45",
            "21 November 2026",
            "60.00%",
            "60 / 100",
            "5.00 ± 2.00%",
            "27.50",
            "-0.710",
        ] {
            assert!(part.contains(figure), "{figure} is missing in {part}");
        }
    }
    assert!(mail.text().contains("48 rows in 48 windows were examined."));
    assert!(
        mail.text()
            .contains("The z score alarmed on 3 rows, the isolation forest on 3 rows, and both on 3 rows.")
    );
    assert!(mail.text().contains("Affected: 1 aircraft, 1 kind of fault."));
}

#[test]
fn each_anomaly_links_to_its_page_where_the_dashboards_address_is_known() {
    let mut fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "none & \"never\"", &Rates::burst());
    for part in [fixture.send().html(), fixture.send().text()] {
        assert!(!part.contains("href") && !part.contains("https:"), "there is nothing to link to: {part}");
    }
    fixture.mail.dashboard_url = "https://cabinwatch.example:8000/".to_owned();
    let (html, text) = (fixture.send().html(), fixture.send().text());
    let page = "https://cabinwatch.example:8000/anomaly/TC-JJA/2026-11-21T11:40:00Z?point=DHCP";
    let query = "fault=none+%26+%22never%22";
    assert!(text.contains(&format!("More of it: {page}&{query}")), "{text}");
    assert!(text.contains("Open the dashboard: https://cabinwatch.example:8000/fleet"), "{text}");
    assert_eq!(html.matches(&format!(r#"<a href="{page}"#)).count(), 1, "{html}");
    assert_eq!(html.matches(&format!(r#"{query}" style"#)).count(), 4, "three rows and a picture: {html}");
    let turkish = fixture.language(Language::Tr).send().text();
    assert!(turkish.contains("Panoyu aç: ") && turkish.contains("Ayrıntılar: https://"), "{turkish}");
}

#[test]
fn a_picture_is_described_for_those_who_cannot_see_it() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
    let alternative = "Failure rate of DHCP | no address available on TC-JJA over 48 windows: highest 60.00% at \
                       21 November 2026 11:40 UTC. It is usually 5.00 ± 2.00%.";
    let mail = fixture.send();
    assert!(mail.html().contains(&format!(r#"alt="{alternative}""#)), "{}", mail.html());
    assert!(mail.text().contains(alternative));
}

#[test]
fn the_attachment_holds_what_the_table_holds() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJB", "PORTAL", "redirect, \"failed\"\nbadly", &Rates::burst());
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
    let attachment = String::from_utf8(fixture.send().parts("text/csv").remove(0)).expect("UTF-8");
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(TableRow::COLUMNS).expect("written");
    for row in fixture.rows(Table::CombinedRepeated) {
        writer.write_record(row.cells().iter().map(ToString::to_string)).expect("written");
    }
    let table = String::from_utf8(writer.into_inner().expect("written")).expect("UTF-8");
    assert_eq!(attachment.lines().count(), 1 + 3 + 3 * 3, "the hostile rows have two line breaks each");
    assert_eq!(attachment, table);
}

#[test]
fn a_report_without_anomalies_is_sent_and_says_so() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::quiet());
    let sent = fixture.reported();
    let mail = Mime::read(sent.path().expect("a file"));
    assert_eq!(sent.subject, "Cabinwatch: no confirmed anomalies, 21 November 2026 08:10 to 12:10 UTC");
    assert!(mail.text().contains("Nothing to report: no row was called an anomaly by both detectors."));
    assert!(!mail.html().contains("<thead>"));
    assert_eq!(mail.parts("image/png").len(), 0);
    assert_eq!(mail.parts("text/csv")[0].iter().filter(|byte| **byte == b'\n').count(), 1, "only the header");
}

#[test]
fn a_report_on_empty_tables_says_that_data_may_be_missing() {
    let mail = Fixture::new().send();
    assert!(mail.text().contains("no failure was recorded in this period"));
    assert!(mail.html().contains("no data arrived"));
}

#[test]
fn turkish_letters_arrive_as_written() {
    let fixture = Fixture::new().language(Language::Tr);
    fixture.fault("TC-JJA", "DHCP", "IP adresi yok: ğüşıöçİ", &Rates::burst());
    let sent = fixture.reported();
    let mail = Mime::read(sent.path().expect("a file"));
    assert_eq!(sent.subject, "Cabinwatch: 3 doğrulanmış anomali, 21 Kasım 2026 08:10 - 12:10 UTC");
    assert!(mail.raw_header("Subject").is_ascii(), "an encoded word");
    assert_eq!(mail.header("Content-Language"), Some("tr"));
    for part in [mail.html(), mail.text()] {
        assert!(part.contains("IP adresi yok: ğüşıöçİ"));
        assert!(part.contains("Doğrulanmış anomaliler"));
        assert!(part.contains("%60,00"));
        assert!(part.contains("Etkilenen: 1 uçak, 1 arıza türü."));
    }
}

#[test]
fn the_strongest_faults_have_pictures_and_the_rest_is_counted() {
    let fixture = Fixture::new();
    for number in 0..45 {
        let z_score = 10.0 + f64::from(number);
        fixture.fault("TC-JJA", "PORTAL", &format!("fault {number}"), &Rates::burst().scored(z_score));
    }
    let mail = fixture.send();
    assert_eq!(mail.parts("image/png").len(), 20);
    assert!(mail.html().contains(r#"alt="Failure rate of PORTAL | fault 44 on"#), "the strongest");
    assert!(!mail.html().contains(r#"alt="Failure rate of PORTAL | fault 24 on"#), "the first without");
    assert!(mail.text().contains("25 faults with lower z scores have no picture here."));
    assert!(mail.text().contains("35 more rows stand in the attached file."), "{}", mail.text());
    assert_eq!(mail.parts("text/csv")[0].iter().filter(|byte| **byte == b'\n').count(), 1 + 45 * 3);
}

#[test]
fn a_fault_of_the_whole_fleet_names_no_aircraft() {
    let fixture = Fixture::new();
    fixture.fault("FLEET", "DHCP", "no address available", &Rates::burst());
    let text = fixture.send().text();
    assert!(text.contains("whole fleet: DHCP | no address available"));
    assert!(text.contains("Affected: 1 kind of fault; the data does not tell on which aircraft."));
}

#[test]
fn what_was_lost_is_said_where_rates_are_shown() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
    fixture.loss(LossReason::QueueFull, 120);
    let mail = fixture.send();
    for part in [mail.html(), mail.text()] {
        assert!(
            part.contains(
                "Data is missing: 120 events or frames were lost in this period (queue_full: 120)."
            )
        );
        assert!(!part.contains("cut off"));
    }
}

#[test]
fn what_nobody_can_count_is_not_added_up() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
    fixture.loss(LossReason::UncleanEnd, 2);
    let text = fixture.send().text();
    assert!(text.contains("An agent was cut off 2 times"), "{text}");
    assert!(!text.contains("Data is missing"), "{text}");
    fixture.loss(LossReason::QueueFull, 120);
    let text = fixture.send().text();
    assert!(
        text.contains("Data is missing: 120 events or frames were lost in this period (queue_full: 120).")
    );
    assert!(text.contains("An agent was cut off 2 times"));
}

#[test]
fn hostile_text_stays_text() {
    let fixture = Fixture::new();
    let hostile =
        "<script>alert('x')</script>\" onload=\"y\r\nBcc: victim@example.com\r\n\r\n\u{202e}evil & <b>";
    fixture.fault("TC-JJA", "<img src=x>", hostile, &Rates::burst());
    let mail = fixture.send();
    let html = mail.html();
    assert!(!html.contains("<script>") && !html.contains("<img src=x>") && !html.contains("<b>"));
    assert!(!html.contains("\" onload"), "an attribute is not left");
    assert!(!html.contains('\u{202e}') && !mail.text().contains('\u{202e}'));
    assert!(html.contains("alert("), "shown, not swallowed");
    assert!(mail.header("Bcc").is_none());
    assert!(!mail.text().contains("\nBcc:"));
}

#[test]
fn blind_copies_are_in_the_envelope_and_not_in_the_mail() {
    let mut fixture = Fixture::new();
    fixture.mail.cc = vec!["Night shift <night@example.com>".to_owned()];
    fixture.mail.bcc = vec!["auditor@example.com".to_owned()];
    let sent = fixture.reported();
    assert_eq!(sent.recipients, 3);
    let raw = std::fs::read_to_string(sent.path().expect("a file")).expect("readable");
    assert!(raw.contains("night@example.com") && !raw.contains("auditor"));
}

#[test]
fn an_address_that_would_add_a_header_is_refused() {
    let mut fixture = Fixture::new();
    fixture.mail.to = vec!["a@example.com\r\nBcc: victim@example.com".to_owned()];
    let error = fixture.try_report(&fixture.run()).expect_err("two lines");
    assert!(matches!(error, ReportError::Address { setting: "to", .. }), "{error}");
    fixture.mail.to = Vec::new();
    assert!(matches!(fixture.try_report(&fixture.run()), Err(ReportError::NoRecipient)));
}

#[test]
fn the_same_run_leaves_one_mail_with_the_same_bytes() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
    let first = fixture.reported();
    let bytes = std::fs::read(first.path().expect("a file")).expect("readable");
    let again = fixture.reported();
    assert_eq!(again, first);
    assert_eq!(std::fs::read(again.path().expect("a file")).expect("readable"), bytes);
    let name = first.path().and_then(Path::file_name).and_then(|name| name.to_str()).expect("a name");
    assert!(name.starts_with("20261121T121000Z-") && name.ends_with(".eml"), "{name}");
}

#[test]
fn other_periods_models_languages_tables_or_anomalies_make_another_report() {
    let run = Fixture::new().run();
    let nothing = Attachment { csv: b"header\n".to_vec(), left_out: 0 };
    let name = |run: &Run| Identity::new("sqlite:///a.db", run, Language::En, &nothing).file_name();
    let first = name(&run);
    assert_eq!(first, name(&Run { generated_at: MORNING.minute(999), ..run.clone() }));
    assert_ne!(first, name(&Run { stretches: vec![minutes(5, 240)], ..run.clone() }));
    assert_ne!(first, name(&Run { model: cabinwatch_shared::model::ModelVersion(9), ..run.clone() }));
    assert_ne!(first, Identity::new("sqlite:///a.db", &run, Language::Tr, &nothing).file_name());
    assert_ne!(first, Identity::new("sqlite:///b.db", &run, Language::En, &nothing).file_name());
    let something = Attachment { csv: b"header\nrow\n".to_vec(), left_out: 0 };
    assert_ne!(first, Identity::new("sqlite:///a.db", &run, Language::En, &something).file_name());
}

#[test]
fn a_run_of_the_tables_covers_what_they_hold() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
    let run = Run::of_tables(&*fixture.tables(), None, None, MORNING.minute(999)).expect("read");
    assert_eq!(
        (run.from(), run.until(), run.rows, run.windows),
        (MORNING.minute(0), MORNING.minute(240), 48, 48)
    );
    let swapped =
        Run::of_tables(&*fixture.tables(), Some(MORNING.minute(5)), Some(MORNING.minute(0)), run.until());
    assert!(matches!(swapped, Err(ReportError::Period { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_text_gives_a_mail_whose_attachment_reads_back(point in "\\PC{1,12}|[\r\n<>&\"',]{1,8}", description in ".{0,40}|[\r\n<>&\"',=.]{0,20}") {
        let fixture = Fixture::new();
        fixture.fault("TC-JJA", &point, &description, &Rates::burst());
        let mail = fixture.send();
        let attachment = mail.parts("text/csv").remove(0);
        let mut reader = csv::Reader::from_reader(attachment.as_slice());
        let fields: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("CSV");
        prop_assert_eq!(fields.len(), 3);
        prop_assert_eq!(&fields[0][14], point.as_str());
        prop_assert_eq!(&fields[0][15], description.as_str());
        let harmless = Fixture::new();
        harmless.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
        let marks = |html: String| ['<', '>', '"'].map(|mark| html.matches(mark).count());
        prop_assert_eq!(marks(mail.html()), marks(harmless.send().html()), "no text becomes markup");
    }
}

#[test]
fn only_the_runs_period_is_reported() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
    let early = Run { stretches: vec![minutes(0, 60)], ..fixture.run() };
    let sent = fixture.try_report(&early).expect("written");
    assert_eq!(sent.confirmed, 0);
    let all = fixture.tables().rows(Table::CombinedRepeated, &Query::default()).expect("rows");
    assert_eq!(all.len(), 3);
}

#[test]
fn what_lies_between_the_windows_of_a_run_is_not_reported() {
    let fixture = Fixture::new();
    fixture.fault("TC-JJA", "DHCP", "no address available", &Rates::burst());
    fixture.loss(LossReason::QueueFull, 120);
    let run = |stretches| Run { stretches, ..fixture.run() };
    let around = run(vec![minutes(-1_000_000, -999_995), minutes(0, 5), minutes(235, 240)]);
    let sent = fixture.try_report(&around).expect("written");
    assert_eq!(sent.confirmed, 0);
    assert!(!Mime::read(sent.path().expect("a file")).text().contains("Data is missing"));
    let of_anomalies = run(vec![minutes(0, 5), minutes(210, 220), minutes(220, 225)]);
    assert_eq!(fixture.try_report(&of_anomalies).expect("written").confirmed, 3);
}

#[test]
fn windows_that_follow_each_other_are_one_stretch() {
    let window = |minute| Window::containing(MORNING.minute(minute).millis(), WindowLength::FIVE_MINUTES);
    let stretches = Stretch::of([10, 0, 5, 5, 60].map(window));
    assert_eq!(stretches, [minutes(0, 15), minutes(60, 65)]);
    assert_eq!(Stretch::of([]), []);
}
