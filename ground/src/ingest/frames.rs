//! From a payload to frames, and from a window's counts to scored rows. Pure: bytes in, values out.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::{KeyIndex, Model, ModelVersion};
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::{Alarms, Verdict};
use cabinwatch_shared::window::{Window, WindowLength};
use cabinwatch_shared::wire::{Encoding, Envelope, Frame, FrameSeq, PointName, StreamStart, WindowFrame};

use crate::tables::{ScoredRow, ScoredWindow, SetAsideReason, WindowVersion};

/// Years 1970 to 9999: what a time from an aircraft may be.
const TIMES: std::ops::RangeInclusive<i64> = 0..=253_402_300_799;
/// Above this a double no longer holds every whole number, and a reader of CSV or JSON may get another one.
const MAX_COUNT: u64 = 1 << 53;

/// Why a message or a frame is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub reason: SetAsideReason,
    pub message: String,
}

impl Refusal {
    pub fn undecodable(error: &impl ToString) -> Self {
        Self { reason: SetAsideReason::Undecodable, message: error.to_string() }
    }

    pub fn nonsense(message: impl Into<String>) -> Self {
        Self { reason: SetAsideReason::Nonsense, message: message.into() }
    }
}

/// The content of a payload, inflated where it is deflated, never beyond what it says and a message may be.
pub(super) fn content(payload: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    let envelope = Envelope::parse(payload).map_err(|error| Refusal::undecodable(&error))?;
    match envelope.encoding {
        Encoding::Plain => Ok(Cow::Borrowed(envelope.content)),
        Encoding::Deflate { inflated } => {
            let limit = inflated as usize;
            let content = miniz_oxide::inflate::decompress_to_vec_with_limit(envelope.content, limit)
                .map_err(|error| {
                    Refusal::undecodable(&format!("the message does not inflate: {:?}", error.status))
                })?;
            if content.len() != limit {
                let length = content.len();
                let message = format!("the message inflates to {length} bytes and says it would to {limit}");
                return Err(Refusal::undecodable(&message));
            }
            Ok(Cow::Owned(content))
        }
    }
}

/// Checks what a database column could not hold.
pub(super) fn check_values(frame: &Frame<'_>) -> Result<(), Refusal> {
    let times: &[UnixSeconds] = match frame {
        Frame::Window(_) => &[],
        Frame::Loss(loss) => {
            check_count("lost", loss.count)?;
            &[loss.since, loss.until]
        }
        Frame::StreamStart(StreamStart::NoDatabase { at } | StreamStart::DatabaseSetAside { at }) => &[*at],
        Frame::Model(report) => &[report.at],
    };
    match times.iter().find(|time| !TIMES.contains(&time.0)) {
        Some(time) => Err(Refusal::nonsense(format!("the time {} is in no calendar", time.0))),
        None => Ok(()),
    }
}

fn check_count(what: &str, count: u64) -> Result<(), Refusal> {
    if count <= MAX_COUNT { Ok(()) } else { Err(Refusal::nonsense(format!("{what} counts {count}"))) }
}

/// A window's rows, and in how many of them the agent's alarms differ from ours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scored {
    pub window: ScoredWindow,
    pub differing: u64,
}

/// Scores a window's counts with the model the agent used. Without that model, rows that spell their keys keep
/// the agent's alarms; rows that only number them can't be read.
pub(super) fn score_window(
    tail: &Tail,
    seq: FrameSeq,
    frame: &WindowFrame<'_>,
    model: Option<&Model<'_>>,
) -> Result<Scored, Refusal> {
    let window = window_of(frame)?;
    let names = Names { version: frame.model, model };
    let points = points(frame, &names)?;
    let successes: HashMap<&str, u64> =
        points.iter().map(|(point, success)| (point.as_str(), *success)).collect();
    let success = |point: &str| successes.get(point).copied().unwrap_or_default();
    let mut seen = HashSet::new();
    let mut differing = 0;
    let mut rows = Vec::with_capacity(frame.known.len() + frame.spelled.len());
    let known = frame.known.iter().map(|row| {
        let row = row.map_err(|error| Refusal::undecodable(&error))?;
        Ok((names.key(row.key)?, row.fail, row.alarms))
    });
    let spelled = frame.spelled.iter().map(|row| {
        let key = spelled(row.edr_point, row.description)?;
        Ok((key, row.fail, Alarms::from_bits(row.alarms)))
    });
    for row in known.chain(spelled) {
        let (key, fail, theirs) = row?;
        if !seen.insert(key) {
            return Err(Refusal::nonsense(format!("the window has the key `{key}` twice")));
        }
        if fail == 0 {
            return Err(Refusal::nonsense(format!("the window has a row without a failure: `{key}`")));
        }
        check_count("a row", fail)?;
        let counts = Counts { fail, success: success(key.edr_point) };
        let verdict = match model {
            Some(model) => model.score(key, counts),
            None => Verdict { alarms: theirs, ..Verdict::UNSCORED },
        };
        differing += u64::from(verdict.alarms != theirs);
        let (edr_point, description) = (key.edr_point.to_owned(), key.description.to_owned());
        rows.push(ScoredRow { edr_point, description, counts, verdict });
    }
    let version = WindowVersion::of_frame(window.end(), seq);
    let window = ScoredWindow { tail: tail.clone(), window, model: frame.model, version, rows, points };
    Ok(Scored { window, differing })
}

/// A key that a frame spells out. Agents keep theirs short; a text of any length would be more than databases take as a
/// key, and the group that holds it could never be stored.
fn spelled<'a>(edr_point: &'a str, description: &'a str) -> Result<FaultKey<'a>, Refusal> {
    let key = FaultKey { edr_point, description };
    let (_, too_long) = key.bounded();
    if too_long {
        let (point, description) = (edr_point.len(), description.len());
        return Err(Refusal::nonsense(format!(
            "a key has a point of {point} bytes and {description} of description"
        )));
    }
    Ok(key)
}

fn window_of(frame: &WindowFrame<'_>) -> Result<Window, Refusal> {
    let length =
        NonZeroU32::new(frame.length).ok_or_else(|| Refusal::nonsense("the window has no length"))?;
    let window = Window::containing(frame.start.millis(), WindowLength::seconds(length));
    if window.start() != frame.start || !TIMES.contains(&frame.start.0) || !TIMES.contains(&window.end().0) {
        let (start, length) = (frame.start.0, frame.length);
        return Err(Refusal::nonsense(format!("there is no window of {length} s that starts at {start}")));
    }
    Ok(window)
}

fn points(frame: &WindowFrame<'_>, names: &Names<'_, '_>) -> Result<Vec<(String, u64)>, Refusal> {
    let mut points: Vec<(String, u64)> = Vec::with_capacity(frame.points.len());
    // A frame has room for tens of thousands of them.
    let mut seen = HashSet::with_capacity(frame.points.len());
    for row in &frame.points {
        let point = match row.point {
            PointName::Known(index) => names.key(index)?.edr_point,
            PointName::Spelled(point) => spelled(point, "")?.edr_point,
        };
        if !seen.insert(point) {
            return Err(Refusal::nonsense(format!("the window has the point `{point}` twice")));
        }
        check_count("a point", row.success)?;
        points.push((point.to_owned(), row.success));
    }
    Ok(points)
}

/// What a frame's numbers of keys mean.
struct Names<'a, 'm> {
    version: ModelVersion,
    model: Option<&'a Model<'m>>,
}

impl<'m> Names<'_, 'm> {
    fn key(&self, index: KeyIndex) -> Result<FaultKey<'m>, Refusal> {
        let version = self.version.0;
        let Some(model) = self.model else {
            if version == 0 {
                return Err(Refusal::nonsense(format!("key {} of no model", index.0)));
            }
            let reason = SetAsideReason::UnknownModel(self.version);
            let message = format!("the window numbers keys of model {version}, which is not known here");
            return Err(Refusal { reason, message });
        };
        let entry = model.catalogue().entry(index);
        entry
            .map(|entry| entry.key)
            .ok_or_else(|| Refusal::nonsense(format!("model {version} has no key {}", index.0)))
    }
}

#[cfg(test)]
mod tests;
