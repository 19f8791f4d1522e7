//! A real browser: Debian's chromium without a screen, driven by its chromedriver as a person would drive it, by
//! keyboard and eyes. What pages ask the net for and complain about is written down.

mod commands;
mod log;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::broker::free_port;
use crate::process::Process;
use crate::wait::eventually;
use commands::{DevTools, ReadLog};
pub use log::Loaded;

const LIMIT: Duration = Duration::from_secs(120);
/// More than any page has to reach.
const MOST_TABS: usize = 300;

/// What a page is told of its reader's taste.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// The inside of the window, in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Size {
    /// A laptop.
    pub const DESK: Self = Self { width: 1200, height: 800 };
    /// A phone, upright.
    pub const PHONE: Self = Self { width: 390, height: 844 };
}

/// One window with a profile of its own. It is closed when dropped.
#[derive(Debug)]
pub struct Browser {
    /// None once it is closed.
    window: Option<Client>,
    runtime: Runtime,
    _driver: Process,
}

impl Browser {
    /// Opens an empty window of the size of a desk.
    ///
    /// # Panics
    /// When the browser does not start, or is not installed.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        let profile = folder.join("browser");
        fs::create_dir_all(&profile).expect("the folder can be made");
        let port = free_port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let mut driver = Process::new(command, &folder.join("chromedriver.log")).ready_when_it_listens(port);
        driver.start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(&profile));
        let window = runtime.block_on(builder.connect(&format!("http://127.0.0.1:{port}")));
        let browser = Self { window: Some(window.expect("a window opens")), runtime, _driver: driver };
        browser.resize(Size::DESK);
        // The page that the browser opens by itself loads a lot, which is not to be counted.
        browser.open("about:blank");
        let _ = browser.loaded();
        browser
    }

    /// Opens a page, as by typing its address.
    ///
    /// # Panics
    /// When it does not load.
    pub fn open(&self, url: &str) {
        self.runtime.block_on(self.window().goto(url)).expect("the page loads");
    }

    /// Opens a tab and looks at it; those that are open stay open behind it.
    ///
    /// # Panics
    /// When the browser is gone.
    pub fn open_tab(&self) {
        self.runtime.block_on(async {
            let tab = self.window().new_window(true).await.expect("a tab opens");
            self.window().switch_to_window(tab.handle).await.expect("it can be looked at");
        });
    }

    /// Closes all tabs but the first, and looks at that one.
    ///
    /// # Panics
    /// When the browser is gone.
    pub fn close_tabs(&self) {
        self.runtime.block_on(async {
            let mut tabs = self.window().windows().await.expect("a list").into_iter();
            let first = tabs.next().expect("there is one");
            for tab in tabs {
                self.window().switch_to_window(tab).await.expect("it is open");
                self.window().close_window().await.expect("it closes");
            }
            self.window().switch_to_window(first).await.expect("it is open");
        });
    }

    /// One page back.
    ///
    /// # Panics
    /// When that fails.
    pub fn back(&self) {
        self.runtime.block_on(self.window().back()).expect("there is a page to go back to");
    }

    /// The address that the window shows.
    ///
    /// # Panics
    /// When the browser is gone.
    #[must_use]
    pub fn address(&self) -> String {
        self.runtime.block_on(self.window().current_url()).expect("a window has an address").into()
    }

    /// What a JavaScript expression gives on the page.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression})");
        let evaluate = || self.runtime.block_on(self.window().execute(&script, Vec::new()));
        // A page that is left just then breaks it off; the next one answers.
        let value = evaluate().or_else(|_| evaluate());
        value.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The text a reader sees.
    #[must_use]
    pub fn text(&self) -> String {
        self.value("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// How many elements of the page a CSS selector matches.
    #[must_use]
    pub fn count(&self, selector: &str) -> u64 {
        self.value(&format!("document.querySelectorAll({}).length", json!(selector))).as_u64().unwrap_or(0)
    }

    /// Waits until the page is so.
    ///
    /// # Panics
    /// When it does not come to that; with what the page shows.
    pub fn wait_until(&self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let start = std::time::Instant::now();
        eventually(what, LIMIT * 2, || {
            assert!(
                start.elapsed() < LIMIT,
                "waited in vain for {what}; {} shows:\n{}",
                self.address(),
                self.text()
            );
            so(self).then_some(())
        });
    }

    /// Presses keys one after the other.
    ///
    /// # Panics
    /// When the browser is gone.
    pub fn press(&self, keys: &[char]) {
        let pressed = keys.iter().fold(KeyActions::new("keyboard".to_owned()), |actions, &value| {
            actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.runtime.block_on(self.window().perform_actions(pressed)).expect("keys can be pressed");
    }

    /// Types a text where the cursor is.
    pub fn write(&self, text: &str) {
        self.press(&text.chars().collect::<Vec<_>>());
    }

    /// Presses the enter key.
    pub fn enter(&self) {
        self.press(&[Key::Enter.into()]);
    }

    /// Goes on by the tab key until the focus is on what the CSS selector matches.
    ///
    /// # Panics
    /// When the keyboard does not get there.
    pub fn tab_to(&self, selector: &str) {
        let there = format!("document.activeElement.matches({})", json!(selector));
        for _ in 0..MOST_TABS {
            if self.value(&there) == true {
                return;
            }
            self.press(&[Key::Tab.into()]);
        }
        panic!("the keyboard does not reach `{selector}` on {}", self.address());
    }

    /// Makes the window this large.
    pub fn resize(&self, size: Size) {
        let phone = size.width < 600;
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": size.width, "height": size.height, "deviceScaleFactor": 1, "mobile": phone }),
        );
    }

    /// Prefers light or dark pages from now on.
    pub fn prefer(&self, scheme: Scheme) {
        let value = if scheme == Scheme::Dark { "dark" } else { "light" };
        let feature = json!({ "name": "prefers-color-scheme", "value": value });
        self.tell("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    /// Saves what the window shows as a PNG.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn picture(&self, path: &Path) {
        let png = self.runtime.block_on(self.window().screenshot()).expect("the window can be pictured");
        fs::write(path, png).expect("the picture can be written");
    }

    /// What pages have loaded since this was last asked.
    #[must_use]
    pub fn loaded(&self) -> Loaded {
        Loaded::read(&self.log("performance"))
    }

    /// What the console has said since this was last asked, warnings and errors.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        log::complaints(&self.log("browser"))
    }

    fn log(&self, kind: &'static str) -> Vec<Value> {
        let entries =
            self.runtime.block_on(self.window().issue_cmd(ReadLog(kind))).expect("the log can be read");
        entries.as_array().cloned().unwrap_or_default()
    }

    fn tell(&self, method: &'static str, parameters: Value) {
        let told = self.runtime.block_on(self.window().issue_cmd(DevTools { method, parameters }));
        told.unwrap_or_else(|error| panic!("{method}: {error}"));
    }

    fn window(&self) -> &Client {
        self.window.as_ref().expect("the window is open")
    }
}

/// Closes the browser; killing its driver alone would leave it running.
impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(window) = self.window.take() {
            // An error means that it is gone already.
            let _ = self.runtime.block_on(window.close());
        }
    }
}

fn capabilities(profile: &Path) -> serde_json::Map<String, Value> {
    let arguments = [
        "--headless=new",
        // There is no sandbox for root, and what is opened is our own.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--lang=en-GB",
        "--force-color-profile=srgb",
        "--hide-scrollbars",
        &format!("--user-data-dir={}", profile.display()),
    ]
    .map(str::to_owned);
    let capabilities = json!({
        "browserName": "chrome",
        "pageLoadStrategy": "normal",
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        "goog:chromeOptions": { "args": arguments },
    });
    match capabilities {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}
