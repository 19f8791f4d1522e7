//! A group of messages on its way into one transaction.

use std::collections::{BTreeMap, HashMap};

use cabinwatch_shared::model::{Model, ModelVersion};
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{
    AgentStatus, ClockTrust, Frame, FrameHead, FrameSeq, Frames, LinkState, MAX_FRAME_BYTES, MessageHead,
    StreamId, WindowFrame,
};

use super::complaints::Complaints;
use super::frames::{self, Refusal};
use super::summary::Summary;
use crate::tables::{
    AircraftRecord, Batch, FrameId, Ledger, LossRecord, ModelReportRecord, Ranges, SetAside, StreamProgress,
    StreamStartRecord, Taken,
};

/// The highest number a stored frame may have: what a signed 64-bit column holds.
const MAX_SEQ: FrameSeq = FrameSeq(i64::MAX as u64);

/// One stream of one aircraft.
pub(super) type StreamKey = (Tail, StreamId);

/// Collects what messages change. The ledgers it starts from are what this process knows to be stored; where another
/// process has stored more, a frame may be taken for new once more, which changes nothing.
pub(super) struct Group<'a> {
    stored: &'a HashMap<StreamKey, Ledger>,
    models: &'a HashMap<ModelVersion, Model<'a>>,
    now: UnixSeconds,
    streams: BTreeMap<StreamKey, OpenStream>,
    aircraft: BTreeMap<Tail, AircraftRecord>,
    batch: Batch,
    summary: Summary,
    complaints: Complaints,
}

/// A stream of which the group has something.
#[derive(Default)]
struct OpenStream {
    /// As it stands with the group, for all this process knows.
    ledger: Ledger,
    /// What the group adds.
    stored: Ranges,
    oldest: FrameSeq,
    newest: FrameSeq,
}

impl OpenStream {
    fn take(&mut self, seq: FrameSeq) -> Taken {
        let taken = self.ledger.take(seq);
        if taken == Taken::New {
            self.stored.insert(seq.0, seq.0);
        }
        taken
    }

    fn skip_below(&mut self, oldest: FrameSeq) -> u64 {
        self.oldest = self.oldest.max(oldest);
        self.ledger.skip_below(oldest)
    }
}

/// What a group comes to.
pub(super) struct Collected {
    pub batch: Batch,
    pub summary: Summary,
    pub complaints: Complaints,
}

impl<'a> Group<'a> {
    pub fn new(
        stored: &'a HashMap<StreamKey, Ledger>,
        models: &'a HashMap<ModelVersion, Model<'a>>,
        now: UnixSeconds,
    ) -> Self {
        let (streams, aircraft) = (BTreeMap::new(), BTreeMap::new());
        let (batch, summary, complaints) = (Batch::default(), Summary::default(), Complaints::default());
        Self { stored, models, now, streams, aircraft, batch, summary, complaints }
    }

    pub fn finish(mut self) -> Collected {
        let progress = |((tail, stream), open): (StreamKey, OpenStream)| StreamProgress {
            tail,
            stream,
            stored: open.stored.to_vec(),
            oldest: open.oldest,
            newest: open.newest,
            at: self.now,
        };
        self.batch.progress = self.streams.into_iter().map(progress).collect();
        self.batch.aircraft = self.aircraft.into_values().collect();
        Collected { batch: self.batch, summary: self.summary, complaints: self.complaints }
    }

    /// A message of frames: its payload, and its content if it has one.
    pub fn frames(&mut self, tail: &Tail, payload: &[u8], content: &Result<impl AsRef<[u8]>, Refusal>) {
        self.summary.messages += 1;
        self.aircraft(tail).last_contact = Some(self.now);
        let content = match content {
            Ok(content) => content.as_ref(),
            Err(refusal) => return self.set_aside(tail, None, refusal.clone(), payload),
        };
        match open(content) {
            Ok((head, frames)) => self.stream(tail, head, frames, content),
            Err(refusal) => self.set_aside(tail, None, refusal, payload),
        }
    }

    /// What an aircraft, or the broker in its stead, says of its link. What the broker has kept from earlier is no
    /// contact now.
    pub fn status(&mut self, tail: &Tail, payload: &[u8], retained: bool) {
        self.summary.messages += 1;
        let status = match LinkState::parse(payload) {
            Ok(LinkState::Online(status)) => status,
            Ok(LinkState::Offline) => {
                self.aircraft(tail).online = Some(false);
                return;
            }
            Ok(LinkState::Away { seconds }) => {
                // Of what the broker has kept, nobody knows when it was said.
                let contact = (!retained).then_some(self.now);
                let next = contact.map(|now| UnixSeconds(now.0.saturating_add(seconds.into())));
                let aircraft = self.aircraft(tail);
                aircraft.online = Some(false);
                aircraft.last_contact = contact.or(aircraft.last_contact);
                aircraft.next_contact = next.or(aircraft.next_contact);
                return;
            }
            Err(error) => return self.set_aside(tail, None, Refusal::undecodable(&error), payload),
        };
        let AgentStatus { release, model, stream, oldest, newest, cohort, clock } = status;
        if newest > MAX_SEQ {
            let refusal = Refusal::nonsense(format!("frame {} is said to be the newest", newest.0));
            return self.set_aside(tail, None, refusal, payload);
        }
        if clock != ClockTrust::Trusted {
            tracing::warn!(%tail, clock = clock.as_str(), retained, "the aircraft does not trust its clock: the times of its windows may be wrong, or windows be held back");
        }
        let contact = (!retained).then_some(self.now);
        let aircraft = self.aircraft(tail);
        aircraft.online = Some(true);
        aircraft.last_contact = contact.or(aircraft.last_contact);
        (aircraft.release, aircraft.model, aircraft.stream) = (Some(release), Some(model), Some(stream));
        aircraft.cohort = Some(cohort.as_str().to_owned());
        // An aircraft whose oldest frame is still to come has none on board, whatever became of the others.
        let newest = if oldest <= newest { newest } else { FrameSeq(0) };
        // One that has just connected is told at once how far the ground is, if there is anything to tell.
        let key = (tail.clone(), stream);
        if newest > FrameSeq(0) || self.stored.contains_key(&key) {
            let open = self.open(key);
            open.newest = open.newest.max(newest);
        }
    }

    fn aircraft(&mut self, tail: &Tail) -> &mut AircraftRecord {
        self.aircraft.entry(tail.clone()).or_insert_with(|| AircraftRecord::of(tail.clone()))
    }

    fn open(&mut self, key: StreamKey) -> &mut OpenStream {
        let stored = self.stored;
        self.streams.entry(key).or_insert_with_key(|key| OpenStream {
            ledger: stored.get(key).cloned().unwrap_or_default(),
            ..OpenStream::default()
        })
    }

    fn stream(&mut self, tail: &Tail, head: MessageHead, frames: Frames<'_>, content: &[u8]) {
        self.aircraft(tail).stream = Some(head.stream);
        let mut next = head.first;
        for frame in frames {
            let taken = self.open((tail.clone(), head.stream)).take(next);
            let id = (head.stream, next);
            next = next.next();
            match (taken, frame) {
                (Taken::Duplicate, _) => self.summary.duplicates += 1,
                (Taken::NoRoom, _) => self.summary.deferred += 1,
                (Taken::New, Ok(frame)) => self.frame(tail, head.stream, &frame),
                // Where the next frame would start is lost with this one's length; the aircraft sends those again.
                (Taken::New, Err(error)) => {
                    self.set_aside(tail, Some(id), Refusal::undecodable(&error), content);
                }
            }
        }
        let lost = self.open((tail.clone(), head.stream)).skip_below(head.oldest);
        if lost > 0 {
            tracing::warn!(%tail, stream = %head.stream, lost, "frames are missing that the aircraft no longer has");
        }
        self.summary.gaps += lost;
    }

    fn frame(&mut self, tail: &Tail, stream: StreamId, head: &FrameHead<'_>) {
        self.summary.frames += 1;
        let decoded = head.decode().map_err(|error| Refusal::undecodable(&error));
        let stored = decoded.and_then(|frame| {
            frames::check_values(&frame)?;
            self.record(FrameId { tail: tail.clone(), stream, seq: head.seq }, &frame)
        });
        if let Err(refusal) = stored {
            self.set_aside(tail, Some((stream, head.seq)), refusal, head.bytes);
        }
    }

    fn record(&mut self, frame: FrameId, content: &Frame<'_>) -> Result<(), Refusal> {
        match content {
            Frame::Window(window) => self.window(&frame.tail, frame.seq, window)?,
            Frame::Loss(loss) => {
                self.complaints.lost(&frame.tail, loss.reason, loss.count);
                self.summary.lose(loss.reason, loss.count);
                self.batch.losses.push(LossRecord { frame, loss: *loss });
            }
            Frame::StreamStart(start) => {
                self.batch.stream_starts.push(StreamStartRecord { frame, start: *start });
            }
            Frame::Model(report) => {
                self.batch.model_reports.push(ModelReportRecord { frame, report: *report });
            }
        }
        Ok(())
    }

    fn window(&mut self, tail: &Tail, seq: FrameSeq, frame: &WindowFrame<'_>) -> Result<(), Refusal> {
        let scored = frames::score_window(tail, seq, frame, self.models.get(&frame.model))?;
        self.complaints.differing(tail, frame.model, scored.differing);
        self.aircraft(tail).model = Some(frame.model);
        self.summary.differing += scored.differing;
        self.summary.newest_window_end = self.summary.newest_window_end.max(Some(scored.window.window.end()));
        self.batch.windows.push(scored.window);
        Ok(())
    }

    /// Tries a frame again that was set aside for want of its model.
    pub fn recover(&mut self, item: &SetAside) {
        let Some((stream, seq)) = item.frame else { return };
        let decoded =
            FrameHead { seq, bytes: &item.bytes }.decode().map_err(|error| Refusal::undecodable(&error));
        let stored = decoded.and_then(|frame| match frame {
            Frame::Window(window) => self.window(&item.tail, seq, &window),
            _ => Err(Refusal::nonsense("the frame is no window")),
        });
        self.batch.recovered.push(FrameId { tail: item.tail.clone(), stream, seq });
        match stored {
            Ok(()) => self.summary.recovered += 1,
            Err(refusal) => self.set_aside(&item.tail, item.frame, refusal, &item.bytes),
        }
    }

    fn set_aside(
        &mut self,
        tail: &Tail,
        frame: Option<(StreamId, FrameSeq)>,
        refusal: Refusal,
        bytes: &[u8],
    ) {
        let Refusal { reason, message } = refusal;
        let seq = frame.map(|(_, seq)| seq.0);
        self.complaints.set_aside(tail, reason, seq, &message);
        self.summary.put_aside(reason);
        let bytes = bytes[..bytes.len().min(MAX_FRAME_BYTES)].to_vec();
        self.batch.set_aside.push(SetAside {
            tail: tail.clone(),
            frame,
            reason,
            message,
            at: self.now,
            bytes,
        });
    }
}

/// Takes a message's content apart; all its numbers are ones that can be stored.
fn open(content: &[u8]) -> Result<(MessageHead, Frames<'_>), Refusal> {
    let (head, frames) = Frames::parse(content).map_err(|error| Refusal::undecodable(&error))?;
    // Each frame takes a byte at least, so the content bounds how far the numbers go.
    let last = FrameSeq(head.first.0.saturating_add(content.len() as u64));
    if head.first == FrameSeq(0) || last > MAX_SEQ || head.oldest > MAX_SEQ {
        let (first, oldest) = (head.first.0, head.oldest.0);
        return Err(Refusal::nonsense(format!("frames from {first} on with {oldest} the oldest")));
    }
    Ok((head, frames))
}

/// The models a message's windows were scored with, one for each window.
pub(super) fn model_versions(content: &[u8]) -> impl Iterator<Item = ModelVersion> {
    let frames = open(content).ok().map(|(_, frames)| frames);
    frames.into_iter().flatten().flatten().filter_map(|frame| match frame.decode() {
        Ok(Frame::Window(window)) => Some(window.model),
        _ => None,
    })
}
