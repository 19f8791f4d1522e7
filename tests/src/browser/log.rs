//! What the browser writes down about the pages it shows.

use std::collections::BTreeMap;

use serde_json::Value;

/// What pages asked the net for, and what came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Every address that was asked for, in that order.
    pub requests: Vec<String>,
    /// Bytes of what came, unpacked, by address. What the browser had still in store counts nothing.
    pub bytes: BTreeMap<String, u64>,
    /// Addresses that answered with an error, or not at all.
    pub failed: Vec<String>,
}

impl Loaded {
    /// Reads entries of the `performance` log: events of the developer tools.
    pub(super) fn read(entries: &[Value]) -> Self {
        let mut loaded = Self::default();
        let mut addresses = BTreeMap::new();
        for entry in entries {
            let event: Value = entry["message"]
                .as_str()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default();
            let (event, parameters) = (&event["message"]["method"], &event["message"]["params"]);
            let id = parameters["requestId"].as_str().unwrap_or_default().to_owned();
            match event.as_str() {
                Some("Network.requestWillBeSent") => {
                    let url = parameters["request"]["url"].as_str().unwrap_or_default().to_owned();
                    loaded.requests.push(url.clone());
                    addresses.insert(id, url);
                }
                Some("Network.dataReceived") => {
                    let url = addresses.get(&id).cloned().unwrap_or(id);
                    *loaded.bytes.entry(url).or_default() += parameters["dataLength"].as_u64().unwrap_or(0);
                }
                Some("Network.responseReceived")
                    if parameters["response"]["status"].as_u64() >= Some(400) =>
                {
                    loaded.failed.push(addresses.get(&id).cloned().unwrap_or(id));
                }
                // A page that is left ends what it still waits for.
                Some("Network.loadingFailed") if parameters["canceled"] != true => {
                    loaded.failed.push(addresses.get(&id).cloned().unwrap_or(id));
                }
                _ => {}
            }
        }
        loaded
    }

    /// Bytes of everything that came.
    #[must_use]
    pub fn all_bytes(&self) -> u64 {
        self.bytes.values().sum()
    }

    /// Addresses that do not begin like this, without those that ask nobody.
    #[must_use]
    pub fn elsewhere(&self, base: &str) -> Vec<&str> {
        let asks_nobody =
            |url: &str| ["data:", "blob:", "about:", "chrome:"].iter().any(|kind| url.starts_with(kind));
        self.requests
            .iter()
            .map(String::as_str)
            .filter(|url| !url.starts_with(base) && !asks_nobody(url))
            .collect()
    }
}

/// The entries of the `browser` log that a developer would look into.
pub(super) fn complaints(entries: &[Value]) -> Vec<String> {
    let serious =
        entries.iter().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
    serious.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
}
