//! One event to the API, one answer back.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cabinwatch_tls::{ClientFiles, PemFile, Server, explain, trusted_authorities};
use serde::Deserialize;
use ureq::http::{HeaderValue, Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Error};
use url::Url;

use super::StreamError;

/// Longest wait for a connection, and for an answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 1 << 16;
/// How long to wait where the server asks for it but doesn't say how long, and at most.
const USUAL_HOLD: Duration = Duration::from_secs(1);
const LONGEST_HOLD: Duration = Duration::from_secs(60);

/// The other side, as errors call it.
const SERVER: Server = Server {
    name: "server",
    if_plain: "use http:// without TLS",
    if_misnamed: "use an address that it was issued for",
};

/// The key that the API knows us by. It is never printed.
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

impl ApiKey {
    /// A key.
    ///
    /// # Errors
    /// When no HTTP header can hold it.
    pub fn new(key: &str) -> Result<Self, StreamError> {
        let mut value = HeaderValue::from_str(key).map_err(|_| StreamError::Key)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// Where events go.
#[derive(Clone, Debug)]
pub struct Target {
    url: Url,
    key: ApiKey,
    ca_file: PathBuf,
}

impl Target {
    /// The API at this address, e.g. `http://127.0.0.1:8000`. An empty `ca_file` is for the system's authorities.
    ///
    /// # Errors
    /// When it is no address of an API.
    pub fn new(address: &str, key: ApiKey, ca_file: PathBuf) -> Result<Self, StreamError> {
        let wrong = |message| {
            // What stands before an @ may be a password.
            let shown = address.rsplit('@').next().unwrap_or_default();
            StreamError::Url { url: shown.to_owned(), message }
        };
        let mut url =
            Url::parse(address).map_err(|_| wrong("write http://host:port or https://host:port"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("it must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("the key comes from the environment, nothing else is asked for"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it ends with the path, if there is one"));
        }
        url.set_path(&format!("{}/event", url.path().trim_end_matches('/')));
        Ok(Self { url, key, ca_file })
    }

    /// Where events are sent.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the key crosses a network as it is.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let loops_back = match self.url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.url.scheme() == "http" && !loops_back
    }

    fn files(&self) -> ClientFiles<'_> {
        let unset = PemFile { setting: "", path: "".as_ref() };
        let authorities = PemFile { setting: "--ca-file", path: &self.ca_file };
        ClientFiles { authorities, certificate: unset, key: unset, server: SERVER }
    }

    pub(super) fn client(&self) -> Result<Client<'_>, StreamError> {
        let mut tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        if self.url.scheme() == "https" {
            let trusted = trusted_authorities(&self.files().authorities)?;
            let roots = trusted.iter().map(|authority| Certificate::from_der(authority).to_owned()).collect();
            tls = tls.root_certs(RootCerts::Specific(Arc::new(roots)));
        }
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .max_idle_connections(usize::from(u16::MAX))
            .max_idle_connections_per_host(usize::from(u16::MAX))
            .timeout_connect(Some(CONNECT_LIMIT))
            .timeout_global(Some(CONNECT_LIMIT + ANSWER_LIMIT))
            .user_agent(concat!("cabinwatch-ground/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Client { agent: agent.into(), target: self })
    }
}

/// A client of the API; each thread may use it.
pub(super) struct Client<'a> {
    agent: Agent,
    target: &'a Target,
}

/// What the server says to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Verdict {
        is_anomaly: bool,
    },
    Refused(Refusal),
    /// Not now, but after this time.
    Hold(Duration),
}

/// The server doesn't want the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub said: String,
}

impl Refusal {
    /// Whether it would say so to every event.
    pub const fn is_final(&self) -> bool {
        matches!(self.status, 301..=308 | 401 | 403 | 404 | 405)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, said } = self;
        match status {
            401 | 403 => write!(f, "{status}: it does not take our key"),
            404 | 405 => write!(f, "{status}: there is no scoring API at this address"),
            301..=308 => write!(f, "{status}: it sends us elsewhere; is it https://?"),
            _ => write!(f, "{status} {said}"),
        }
    }
}

/// There was no answer, or none that can be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub kind: FailureKind,
    what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// Nobody is there.
    Unreachable,
    /// The connection ended in the middle.
    Broken,
    /// It took too long.
    Timeout,
    /// One side does not accept the other's certificate.
    Tls,
    /// It is no scoring API that answers.
    NotUnderstood,
}

impl FailureKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Broken => "broken_off",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::NotUnderstood => "not_understood",
        }
    }

    /// Whether trying again may help.
    pub const fn passes(self) -> bool {
        matches!(self, Self::Unreachable | Self::Broken | Self::Timeout)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Client<'_> {
    /// Sends one event.
    pub fn send(&self, body: &[u8]) -> Result<Answer, Failure> {
        let request = self
            .agent
            .post(self.target.url.as_str())
            .header("x-api-key", &self.target.key.0)
            .header("content-type", "application/json");
        let mut response = request.send(body).map_err(|error| self.failure(error))?;
        let said = response
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER_BYTES)
            .read_to_vec()
            .map_err(|error| self.failure(error))?;
        understand(&response, &said)
    }

    fn failure(&self, error: Error) -> Failure {
        let files = self.target.files();
        let (kind, what) = match error {
            Error::Rustls(error) => {
                (FailureKind::Tls, explain(&error, &files).unwrap_or_else(|| format!("TLS: {error}")))
            }
            Error::Io(error) => match explain(&error, &files) {
                Some(what) => (FailureKind::Tls, what),
                None => (kind_of(error.kind()), error.to_string()),
            },
            Error::HostNotFound => (FailureKind::Unreachable, "there is no host of this name".to_owned()),
            Error::ConnectionFailed => (FailureKind::Unreachable, "nobody answers there".to_owned()),
            Error::Timeout(_) => (FailureKind::Timeout, "there was no answer in time".to_owned()),
            error => (FailureKind::NotUnderstood, format!("it does not speak HTTP as we do: {error}")),
        };
        Failure { kind, what }
    }
}

fn kind_of(kind: ErrorKind) -> FailureKind {
    use ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    match kind {
        AddrNotAvailable | ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable => {
            FailureKind::Unreachable
        }
        ErrorKind::TimedOut => FailureKind::Timeout,
        _ => FailureKind::Broken,
    }
}

/// What the API says to an event.
#[derive(Deserialize)]
struct Verdict {
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Normal,
    Anomaly,
}

fn understand(response: &Response<Body>, said: &[u8]) -> Result<Answer, Failure> {
    let status = response.status();
    let retry_after = response.headers().get("retry-after").map(hold);
    match (status, retry_after) {
        (StatusCode::OK, _) => match serde_json::from_slice::<Verdict>(said) {
            Ok(Verdict { status }) => Ok(Answer::Verdict { is_anomaly: matches!(status, Status::Anomaly) }),
            Err(error) => {
                let what = format!("its answer is not the scoring API's: {error}");
                Err(Failure { kind: FailureKind::NotUnderstood, what })
            }
        },
        (StatusCode::TOO_MANY_REQUESTS, hold) => Ok(Answer::Hold(hold.unwrap_or(USUAL_HOLD))),
        (StatusCode::SERVICE_UNAVAILABLE, Some(hold)) => Ok(Answer::Hold(hold)),
        _ => {
            let said = String::from_utf8_lossy(said).trim().to_owned();
            Ok(Answer::Refused(Refusal { status: status.as_u16(), said }))
        }
    }
}

/// `Retry-After`: a number of seconds, or a date, which we don't read.
fn hold(value: &HeaderValue) -> Duration {
    let seconds = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    seconds.map_or(USUAL_HOLD, Duration::from_secs).min(LONGEST_HOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(address: &str) -> Result<Target, StreamError> {
        Target::new(address, ApiKey::new("key").expect("printable"), PathBuf::new())
    }

    #[test]
    fn events_go_to_the_path_below_the_address() {
        for (address, url) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/event"),
            ("https://scorer.example/", "https://scorer.example/event"),
            ("https://gateway.example/scorer/", "https://gateway.example/scorer/event"),
        ] {
            assert_eq!(target(address).expect(address).url().as_str(), url);
        }
    }

    #[test]
    fn what_is_no_address_of_an_api_is_refused_without_its_password() {
        for address in ["", "scorer:8000", "ftp://scorer", "http://u:secret@scorer", "http://scorer/?key=1"] {
            let error = target(address).expect_err(address).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_key_on_an_open_line_is_noticed() {
        for (address, is_open) in [
            ("http://scorer:8000", true),
            ("https://scorer:8000", false),
            ("http://127.1.2.3:8000", false),
            ("http://localhost:8000", false),
            ("http://[::1]:8000", false),
            ("http://10.0.0.1", true),
        ] {
            assert_eq!(target(address).expect(address).is_open(), is_open, "{address}");
        }
    }

    #[test]
    fn the_key_is_never_printed() {
        let target =
            Target::new("http://localhost", ApiKey::new("hush-hush").expect("printable"), PathBuf::new());
        assert!(!format!("{:?}", target.expect("an address")).contains("hush"));
        let error = ApiKey::new("hush\nhush").expect_err("a line break").to_string();
        assert!(!error.contains("hush"), "{error}");
    }

    #[test]
    fn a_wait_is_as_long_as_asked_for_and_bounded() {
        let hold = |text| hold(&HeaderValue::from_static(text));
        assert_eq!(
            [hold("3"), hold("0"), hold("soon"), hold("99999")].map(|hold| hold.as_secs()),
            [3, 0, 1, 60]
        );
    }
}
