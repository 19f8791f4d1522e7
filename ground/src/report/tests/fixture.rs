//! Tables with known rates, and a reader for the mail that comes of them.

use std::cell::RefCell;
use std::path::Path;

use cabinwatch_shared::forest::ForestScore;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::{Alarms, Verdict};
use cabinwatch_shared::window::{Window, WindowLength};
use cabinwatch_shared::wire::{FrameSeq, LossFrame, LossReason, StreamId};
use cabinwatch_shared::zscore::{KeyStatistics, ZScore};
use data_encoding::BASE64;
use tempfile::TempDir;

use crate::config::{Config, Language, MailConfig, TablesConfig};
use crate::report::{Mailer, ReportError, Reported, Run, Stretch};
use crate::tables::{
    Batch, FrameId, LossRecord, Query, ScoredRow, ScoredWindow, Table, TableRow, Tables, WindowVersion, open,
};

/// 2026-11-21T08:10:00Z, the start of every fixture's period.
pub struct Morning;
pub const MORNING: Morning = Morning;

impl Morning {
    pub fn minute(&self, minute: i64) -> UnixSeconds {
        UnixSeconds(1_795_248_600 + 60 * minute)
    }
}

/// So many minutes of the period.
pub fn minutes(from: i64, until: i64) -> Stretch {
    Stretch { from: MORNING.minute(from), until: MORNING.minute(until) }
}

const WINDOWS: i64 = 48;

/// The rates of one key over the period.
#[derive(Clone, Copy)]
pub struct Rates {
    /// First and last anomalous window, the last not included.
    anomalies: (i64, i64),
    z_score: f64,
}

impl Rates {
    /// 5 % and then, in three windows, 60 %.
    pub fn burst() -> Self {
        Self { anomalies: (42, 45), z_score: 27.5 }
    }

    /// 5 % throughout.
    pub fn quiet() -> Self {
        Self { anomalies: (0, 0), z_score: 0.0 }
    }

    pub fn scored(self, z_score: f64) -> Self {
        Self { z_score, ..self }
    }

    fn row(&self, index: i64, edr_point: &str, description: &str) -> ScoredRow {
        let is_anomaly = (self.anomalies.0..self.anomalies.1).contains(&index);
        let fail = if is_anomaly { 60 } else { 5 };
        ScoredRow {
            edr_point: edr_point.to_owned(),
            description: description.to_owned(),
            counts: Counts { fail, success: 100 - fail },
            verdict: Verdict {
                statistics: Some(KeyStatistics { samples: 900, mean_rate: 5.0, std_rate: Some(2.0) }),
                z: ZScore::Scored(if is_anomaly { self.z_score } else { 0.0 }),
                forest: Some(ForestScore(if is_anomaly { -0.71 } else { -0.4 })),
                alarms: Alarms { z: is_anomaly, forest: is_anomaly },
            },
        }
    }
}

/// Tables, and where their report goes.
pub struct Fixture {
    folder: TempDir,
    windows: RefCell<Vec<ScoredWindow>>,
    pub mail: MailConfig,
}

impl Fixture {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}/mail", folder.path().display());
        Self { folder, windows: RefCell::default(), mail: MailConfig { url, ..MailConfig::default() } }
    }

    pub fn language(mut self, language: Language) -> Self {
        self.mail.language = language;
        self
    }

    pub fn tables(&self) -> Box<dyn Tables> {
        let url = format!("sqlite://{}/tables.db", self.folder.path().display());
        let mut tables = open(&url, &TablesConfig::default()).expect("tables");
        tables.replace(&self.windows.borrow()).expect("stored");
        tables
    }

    /// A fault key with these rates, in each window of the period.
    pub fn fault(&self, tail: &str, edr_point: &str, description: &str, rates: &Rates) {
        let mut windows = self.windows.borrow_mut();
        for index in 0..WINDOWS {
            let window = Window::containing(MORNING.minute(5 * index).millis(), WindowLength::FIVE_MINUTES);
            let tail = tail.parse().expect("a tail");
            let row = rates.row(index, edr_point, description);
            match windows.iter_mut().find(|stored| stored.tail == tail && stored.window == window) {
                Some(stored) => stored.rows.push(row),
                None => windows.push(ScoredWindow {
                    tail,
                    window,
                    model: ModelVersion(7),
                    version: WindowVersion(0),
                    rows: vec![row],
                    points: vec![],
                }),
            }
        }
    }

    /// Events the aircraft lost.
    pub fn loss(&self, reason: LossReason, count: u64) {
        let frame = FrameId {
            tail: "TC-JJA".parse().expect("a tail"),
            stream: StreamId(1),
            seq: FrameSeq(9 + reason as u64),
        };
        let at = MORNING.minute(30);
        let loss = LossFrame { reason, count, since: at, until: at };
        let batch = Batch { losses: vec![LossRecord { frame, loss }], ..Batch::default() };
        self.tables().commit(&batch).expect("stored");
    }

    pub fn run(&self) -> Run {
        let rows = self.windows.borrow().iter().map(|window| window.rows.len() as u64).sum();
        Run {
            stretches: vec![minutes(0, 240)],
            model: ModelVersion(7),
            windows: self.windows.borrow().len() as u64,
            rows,
            generated_at: MORNING.minute(241),
        }
    }

    pub fn rows(&self, table: Table) -> Vec<TableRow> {
        self.tables().rows(table, &Query::default()).expect("rows")
    }

    pub fn try_report(&self, run: &Run) -> Result<Reported, ReportError> {
        let config = Config { mail: self.mail.clone(), ..Config::default() };
        Mailer::new(&config)?.report(run, &*self.tables())
    }

    pub fn reported(&self) -> Reported {
        self.try_report(&self.run()).expect("written")
    }

    pub fn send(&self) -> Mime {
        Mime::read(self.reported().path().expect("a file"))
    }
}

/// A part of a mail, or the mail itself.
pub struct Mime {
    headers: Vec<(String, String)>,
    decoded_subject: Option<String>,
    body: String,
    children: Vec<Self>,
}

impl Mime {
    pub fn read(path: &Path) -> Self {
        Self::parse(&std::fs::read_to_string(path).expect("a mail in ASCII"))
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a blank line behind the headers");
        let headers: Vec<(String, String)> = head
            .replace("\r\n ", " ")
            .replace("\r\n\t", " ")
            .split("\r\n")
            .map(|line| line.split_once(": ").expect("a header"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut part = Self { headers, decoded_subject: None, body: body.to_owned(), children: Vec::new() };
        part.decoded_subject = part.find("Subject").map(decode_words);
        if let Some((_, boundary)) = part.find("Content-Type").and_then(|kind| kind.split_once("boundary=\""))
        {
            let delimiter = format!("--{}", boundary.trim_end_matches('"'));
            assert!(body.contains(&format!("{delimiter}--")), "the last boundary is there");
            let (opening, closing) = (format!("{delimiter}\r\n"), format!("{delimiter}--"));
            let pieces = body.split(&opening).skip(1);
            part.children =
                pieces.map(|piece| Self::parse(piece.split(&closing).next().expect("one"))).collect();
        }
        part
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        if name == "Subject" { self.decoded_subject.as_deref() } else { self.find(name) }
    }

    pub fn raw_header(&self, name: &str) -> &str {
        self.find(name).expect("the header is there")
    }

    fn kind(&self) -> &str {
        let kind = self.find("Content-Type").expect("every part has a type");
        kind.split(';').next().expect("a type")
    }

    pub fn structure(&self) -> String {
        let inner: Vec<String> = self.children.iter().map(Self::structure).collect();
        if inner.is_empty() {
            self.kind().to_owned()
        } else {
            format!("{}({})", self.kind(), inner.join(" "))
        }
    }

    /// The decoded bodies of all parts of a type.
    pub fn parts(&self, kind: &str) -> Vec<Vec<u8>> {
        let own = (self.kind() == kind).then(|| self.decoded());
        own.into_iter().chain(self.children.iter().flat_map(|child| child.parts(kind))).collect()
    }

    pub fn html(&self) -> String {
        self.only_text("text/html")
    }

    pub fn text(&self) -> String {
        self.only_text("text/plain")
    }

    fn only_text(&self, kind: &str) -> String {
        let mut parts = self.parts(kind);
        assert_eq!(parts.len(), 1, "one {kind} part");
        String::from_utf8(parts.remove(0)).expect("UTF-8")
    }

    fn decoded(&self) -> Vec<u8> {
        match self.find("Content-Transfer-Encoding") {
            Some("base64") => BASE64.decode(self.body.replace("\r\n", "").as_bytes()).expect("base64"),
            Some("quoted-printable") => quoted_printable(&self.body.replace("=\r\n", "")),
            other => panic!("unexpected encoding {other:?}"),
        }
    }
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let mut pieces = text.split('=');
    let mut bytes = pieces.next().expect("text").as_bytes().to_vec();
    for piece in pieces {
        let (code, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(code, 16).expect("two hexadecimal digits"));
        bytes.extend(rest.as_bytes());
    }
    bytes
}

/// RFC 2047 as lettre writes it: base64 words of UTF-8, a blank between words dropped.
fn decode_words(header: &str) -> String {
    let mut bytes = Vec::new();
    for (index, piece) in header.replace("?= =?", "?==?").split("=?utf-8?b?").enumerate() {
        match piece.split_once("?=") {
            Some((word, plain)) if index > 0 => {
                bytes.extend(BASE64.decode(word.as_bytes()).expect("base64"));
                bytes.extend(plain.as_bytes());
            }
            _ => bytes.extend(piece.as_bytes()),
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}
