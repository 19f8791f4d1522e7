//! What ground operations see: a real browser on the dashboard while a real ground works. It also takes the pictures of
//! README.md.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cabinwatch_tests::browser::{Browser, Scheme, Size};
use cabinwatch_tests::demo::Demo;
use cabinwatch_tests::parts;
use cabinwatch_tests::program::Ended;
use cabinwatch_tests::scorers::{KEY, Serve};
use serde_json::json;

/// What a page and everything it needs may weigh, nothing of it packed.
const MOST_BYTES: u64 = 200_000;
/// Long enough to log in before the faults begin, also where chromium takes its time.
const DEMO_SECONDS: u32 = 110;

/// The dashboard in a browser, and the ground that it shows.
struct Watch {
    browser: Browser,
    serve: Serve,
    demo: Demo,
    pictures: PathBuf,
    folder: tempfile::TempDir,
}

/// The link to the page of an anomaly of this fault.
fn link_to(fault: &str) -> String {
    format!("a[href^=\"/anomaly/\"][href*=\"fault={}\"]", fault.replace(' ', "+"))
}

#[test]
fn an_anomaly_appears_on_the_open_page_and_leads_to_its_reasons() {
    let mut watch = Watch::start();
    let [(_, sudden), _] = Demo::FAULTS;

    watch.demo.pause();
    watch.log_in();
    watch.see_it_appear(sudden);
    watch.follow_it_by_keyboard(sudden);
    let (summary, mail) = watch.demo.finish();
    let tail =
        summary["injected"][0]["tail"].as_str().expect("the demo says where its faults were").to_owned();
    watch.filter_by_url(&tail);
    watch.open_many_tabs();
    watch.read_on_a_phone_and_in_the_dark(&tail);
    watch.read_the_document();
    watch.take_pictures(&tail, sudden, &mail);
    watch.serve.process.stop();
}

impl Watch {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // The browser first: the demo does not wait.
        let browser = Browser::start(folder.path());
        let mut demo = Demo::start(folder.path(), DEMO_SECONDS);
        demo.wait_for_windows();
        let tables = format!("[tables]\nurl = \"sqlite://{}\"\n", demo.database().display());
        let model = folder.path().join("no-model");
        fs::create_dir_all(&model).expect("the folder can be made");
        let serve = Serve::start(folder.path(), &model, &tables);
        let pictures = env::var_os("PICTURES").map_or_else(|| folder.path().join("pictures"), from_the_root);
        fs::create_dir_all(&pictures).expect("the folder can be made");
        Self { browser, serve, demo, pictures, folder }
    }

    fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.serve.url()));
    }

    fn path(&self) -> String {
        self.browser.address().replace(&self.serve.url(), "")
    }

    /// Nothing came from elsewhere, nothing failed, and nothing was complained about. Returns the bytes that came.
    fn assert_clean(&self, what: &str) -> u64 {
        let (loaded, complaints) = (self.browser.loaded(), self.browser.complaints());
        assert!(loaded.elsewhere(&self.serve.url()).is_empty(), "{what}: {loaded:?}");
        assert!(loaded.failed.is_empty(), "{what}: {loaded:?}");
        assert!(complaints.is_empty(), "{what}: {complaints:?}");
        println!("{what}: {} requests, {} bytes", loaded.requests.len(), loaded.all_bytes());
        loaded.all_bytes()
    }

    /// Whoever is not logged in is asked for the key, and comes back to where they wanted to go.
    fn log_in(&self) {
        self.open("/fleet?range=6h");
        assert!(self.path().starts_with("/login"), "{}", self.path());
        self.browser.tab_to("input[type=password]");
        self.browser.write("not the key");
        self.browser.enter();
        self.browser.wait_until("the wrong key to be refused", |browser| browser.count("[role=alert]") > 0);
        assert!(self.path().starts_with("/login"), "{}", self.path());
        // The refusal is a 4xx, which the console complains about, rightly.
        let _ = (self.browser.loaded(), self.browser.complaints());
        self.browser.tab_to("input[type=password]");
        self.browser.write(KEY);
        self.browser.enter();
        self.browser.wait_until("the fleet", |browser| browser.address().contains("/fleet"));
        assert_eq!(self.path(), "/fleet?range=6h");
        let bytes = self.assert_clean("the fleet");
        assert!(bytes < MOST_BYTES, "{bytes} bytes");
        let cookies = self.browser.value("document.cookie");
        assert_eq!(cookies, "", "a script can read the session");
    }

    fn see_it_appear(&self, fault: &str) {
        let link = link_to(fault);
        assert_eq!(self.browser.count(&link), 0, "the demo was faster than the browser");
        let _ = self.browser.value("window.neverLeft = true");
        self.demo.go_on();
        self.browser.wait_until("the anomaly to appear", |browser| browser.count(&link) > 0);
        assert_eq!(self.browser.value("window.neverLeft"), true, "the page was loaded anew");
        self.take("fleet.png");
        self.assert_clean("the fleet, live");
    }

    fn follow_it_by_keyboard(&self, fault: &str) {
        self.browser.tab_to(&link_to(fault));
        self.browser.enter();
        self.browser.wait_until("the anomaly's page", |browser| browser.address().contains("/anomaly/"));
        let text = self.browser.text();
        for word in [fault, "expected"] {
            assert!(text.to_lowercase().contains(word), "no `{word}` in:\n{text}");
        }
        let bytes = self.assert_clean("the anomaly");
        assert!(bytes < MOST_BYTES, "{bytes} bytes");
        self.browser.back();
        self.browser.wait_until("the fleet again", |browser| browser.address().contains("/fleet"));
        assert_eq!(self.path(), "/fleet?range=6h");
        self.assert_clean("the fleet again");
    }

    fn filter_by_url(&self, tail: &str) {
        let listed = |path: &str| {
            self.open(path);
            let links =
                "[...document.querySelectorAll('main a[href^=\"/aircraft/\"]')].map(link => link.pathname)";
            let links = self.browser.value(links);
            let paths: BTreeSet<String> = serde_json::from_value(links).expect("a list of paths");
            paths
        };
        assert!(listed("/fleet").len() >= 3, "the demo has three aircraft");
        assert_eq!(listed(&format!("/fleet?aircraft={tail}")), BTreeSet::from([format!("/aircraft/{tail}")]));
        self.assert_clean("filters");
    }

    /// More than a browser has lines to one server. Each is live as long as somebody looks at it.
    fn open_many_tabs(&self) {
        const LINES: usize = 6;
        for number in 0..LINES + 2 {
            self.browser.open_tab();
            self.open("/fleet");
            self.browser.wait_until(&format!("tab {number} to be live"), |browser| {
                browser.value("document.getElementById('live').className") == "on"
            });
        }
        self.browser.close_tabs();
        self.browser.wait_until("the first tab to be live again", |browser| {
            browser.value("document.getElementById('live').className") == "on"
        });
        self.assert_clean("many tabs");
    }

    fn read_on_a_phone_and_in_the_dark(&self, tail: &str) {
        let background = "getComputedStyle(document.body).backgroundColor";
        self.open("/fleet");
        let light = self.browser.value(background);
        self.browser.prefer(Scheme::Dark);
        assert_ne!(self.browser.value(background), light, "dark is as light");
        self.browser.prefer(Scheme::Light);
        self.browser.resize(Size::PHONE);
        for path in ["/fleet".to_owned(), format!("/aircraft/{tail}"), self.anomaly()] {
            self.open(&path);
            // A page that is too wide makes a phone's window wider, too.
            let width = self.browser.value("document.documentElement.scrollWidth");
            assert_eq!(width, Size::PHONE.width, "{path} has to be scrolled sideways");
            let bytes = self.assert_clean(&format!("{path} on a phone"));
            assert!(bytes < MOST_BYTES, "{path}: {bytes} bytes");
        }
        self.browser.resize(Size::DESK);
    }

    /// The page to try the scoring API on.
    fn read_the_document(&self) {
        self.open("/docs");
        self.browser.wait_until("the document", |browser| browser.text().contains("/event"));
        self.assert_clean("the API's page");
    }

    /// The path of an anomaly's page.
    fn anomaly(&self) -> String {
        self.open("/fleet");
        let path = "document.querySelector('main a[href^=\"/anomaly/\"]').getAttribute('href')";
        self.browser.value(path).as_str().expect("an anomaly is listed").to_owned()
    }

    fn take_pictures(&self, tail: &str, fault: &str, mail: &Path) {
        let anomaly = {
            self.open("/fleet");
            let path = format!("document.querySelector({}).getAttribute('href')", json!(link_to(fault)));
            self.browser.value(&path).as_str().expect("the anomaly is listed").to_owned()
        };
        for (name, path) in [("aircraft", &format!("/aircraft/{tail}")), ("anomaly", &anomaly)] {
            self.open(path);
            self.take(&format!("{name}.png"));
        }
        self.browser.prefer(Scheme::Dark);
        self.browser.resize(Size::PHONE);
        self.open("/fleet");
        self.take("fleet-on-a-phone.png");
        self.browser.prefer(Scheme::Light);
        let page = self.folder.path().join("mail.html");
        let mut command = Command::new("python3");
        Ended::well(command.arg(parts::own("mail/as_page.py")).args([mail, &page]));
        self.browser.resize(Size { width: 760, height: 900 });
        self.browser.open(&format!("file://{}", page.display()));
        let (loaded, complaints) = (self.browser.loaded(), self.browser.complaints());
        assert!(
            loaded.elsewhere("file://").iter().all(|url| url.starts_with(&self.serve.url())),
            "{loaded:?}"
        );
        assert!(complaints.is_empty(), "{complaints:?}");
        self.take("mail.png");
    }

    fn take(&self, name: &str) {
        self.browser.picture(&self.pictures.join(name));
    }
}

/// A path of the environment as seen from where `make` runs.
fn from_the_root(path: std::ffi::OsString) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
