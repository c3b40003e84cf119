//! Frames of several sensors into bundles of one instant.
//!
//! *In*: frames in the order of capture per sensor. *Out*: one [`Bundle`] per frame of the reference sensor, with the
//! nearest frame of every other sensor within the window, or a note that it is missing. A bundle is due when every
//! sensor has shown a frame past the instant or has ended; live, also when the reference has waited for the deadline.
//! A reference that falls silent is stood in for by the earliest frame that waits, so nothing ever hangs; one whose frame was rejected
//! still makes its bundle, of what the others saw then.
//! *Invariant*: no bundle holds a frame further than the window from its instant; every frame pushed comes out once, in
//! a bundle or in a tally.

use crate::types::{Bundle, Frame, HostTime, Presence, SensorId, SensorTime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How frames are brought together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Align {
    /// The sensor whose frames make the bundles; the first of the pipeline where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Largest distance in time from the reference, milliseconds.
    pub window_ms: f64,
    /// Live: how long a reference frame waits for the others, milliseconds. Longer than the slowest sensor's period.
    pub deadline_ms: f64,
    /// Time to add to a sensor's stamps before they are compared, milliseconds, by sensor (shutter or trigger offsets).
    pub offset_ms: BTreeMap<String, f64>,
}

impl Default for Align {
    fn default() -> Self {
        Self { reference: None, window_ms: 50.0, deadline_ms: 250.0, offset_ms: BTreeMap::new() }
    }
}

fn duration(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default()
}

/// Where one sensor's frames went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Read from the source, good or bad.
    pub captured: u64,
    /// In a bundle that went on.
    pub used: u64,
    /// Pushed out of the queue before the aligner by a newer frame.
    pub replaced: u64,
    /// Came after its bundle had left.
    pub late: u64,
    /// Unreadable, invalid, or without a bundle to belong to.
    pub rejected: u64,
    /// Still waiting when the run ended.
    pub in_flight: u64,
    /// Why frames were rejected, with how many; past sixteen reasons the rest is counted together.
    pub reasons: BTreeMap<String, u64>,
    /// Times of rejected frames that the aligner has not yet been told of.
    #[serde(skip)]
    pub(super) gaps: Vec<Gap>,
}

/// A rejected frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// When it was captured.
    pub at: SensorTime,
    /// How many good frames of its sensor came before it.
    pub after: u64,
}

impl Tally {
    /// Counts one rejected frame.
    pub fn reject(&mut self, reason: &str) {
        self.rejected += 1;
        let key = if self.reasons.len() < 16 || self.reasons.contains_key(reason) { reason } else { "other reasons" };
        *self.reasons.entry(key.to_owned()).or_default() += 1;
    }
    /// Whether every frame is accounted for.
    pub const fn adds_up(&self) -> bool {
        self.captured == self.used + self.replaced + self.late + self.rejected + self.in_flight
    }
}

struct Lane {
    sensor: SensorId,
    offset: i64,
    waiting: VecDeque<Frame>,
    ended: bool,
    missed_last: bool,
    tally: Tally,
}

impl Lane {
    fn time(&self, frame: &Frame) -> SensorTime {
        SensorTime::from_nanos(frame.captured.nanos().saturating_add(self.offset))
    }
    fn settled(&self, at: SensorTime) -> bool {
        self.ended || self.waiting.back().is_some_and(|f| self.time(f) >= at)
    }
    /// Takes the frame nearest to `at` within `window`; what is older than it can belong to no later bundle.
    fn take(&mut self, at: SensorTime, window: Duration) -> Option<Frame> {
        let nearest = self.waiting.iter().enumerate().map(|(i, f)| (self.time(f).distance(at), i)).min();
        let Some((_, index)) = nearest.filter(|(distance, _)| *distance <= window) else {
            while self.waiting.front().is_some_and(|f| self.time(f) < at.before(window)) {
                self.waiting.pop_front();
                self.tally.reject("no bundle within the window");
            }
            return None;
        };
        for _ in 0..index {
            self.waiting.pop_front();
            self.tally.reject("surplus: a nearer frame was taken");
        }
        self.tally.used += 1;
        self.waiting.pop_front()
    }
}

/// The bookkeeping of alignment, without threads or clocks of its own.
pub struct Aligner {
    lanes: Vec<Lane>,
    reference: usize,
    window: Duration,
    deadline: Duration,
    last: Option<SensorTime>,
    /// The reference's rejected frames, and when that was known.
    gaps: VecDeque<(Gap, HostTime)>,
    /// Frames of the reference so far.
    pushed: u64,
}

/// What makes the next bundle.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pivot {
    at: SensorTime,
    arrived: HostTime,
    /// The reference's frame of this time was rejected.
    gap: bool,
}

impl Aligner {
    /// An aligner for these sensors, in this order.
    pub fn new(sensors: &[SensorId], align: &Align) -> Self {
        let lane = |&sensor: &SensorId| {
            let ms = align.offset_ms.get(sensor.name()).copied().unwrap_or(0.0);
            let offset = crate::types::num::round_i64(ms * 1e6);
            Lane { sensor, offset, waiting: VecDeque::new(), ended: false, missed_last: false, tally: Tally::default() }
        };
        let named = align.reference.as_deref();
        let reference = sensors.iter().position(|s| Some(s.name()) == named).unwrap_or(0);
        Self {
            lanes: sensors.iter().map(lane).collect(),
            reference,
            window: duration(align.window_ms),
            deadline: duration(align.deadline_ms),
            last: None,
            gaps: VecDeque::new(),
            pushed: 0,
        }
    }
    fn lane(&mut self, sensor: SensorId) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|l| l.sensor == sensor)
    }
    /// Takes in a frame; one whose bundle has left is counted as late.
    pub fn push(&mut self, frame: Frame) {
        let (last, window) = (self.last, self.window);
        self.pushed += u64::from(frame.sensor == self.reference());
        let Some(lane) = self.lane(frame.sensor) else { return };
        let time = lane.time(&frame);
        match last {
            Some(at) if lane.missed_last && time <= at.after(window) && time >= at.before(window) => lane.tally.late += 1,
            Some(at) if time < at.before(window) => lane.tally.late += 1,
            _ => lane.waiting.push_back(frame),
        }
    }
    /// The sensor whose frames make the bundles.
    pub fn reference(&self) -> SensorId {
        self.lanes.get(self.reference).map_or_else(|| SensorId::new(""), |l| l.sensor)
    }
    /// A frame of the reference was rejected; told before any later frame of it is pushed.
    pub fn lost(&mut self, gap: Gap, now: HostTime) {
        let Some(lane) = self.lanes.get(self.reference) else { return };
        let at = SensorTime::from_nanos(gap.at.nanos().saturating_add(lane.offset));
        if self.last.is_none_or(|last| last < at) {
            self.gaps.push_back((Gap { at, ..gap }, now));
        }
    }
    /// Whether a sensor has shown all that it can bring to a bundle at `at`.
    fn settled(&self, lane: &Lane, at: SensorTime) -> bool {
        let is_reference = self.lanes.get(self.reference).is_some_and(|l| l.sensor == lane.sensor);
        // Of the reference, when every frame before its rejected one is here.
        lane.settled(at) || (is_reference && self.gaps.iter().any(|(gap, _)| gap.at == at && self.pushed >= gap.after))
    }
    /// The sensor will give no more frames.
    pub fn end(&mut self, sensor: SensorId) {
        if let Some(lane) = self.lane(sensor) {
            lane.ended = true;
        }
    }
    /// Sensors whose next frame is needed before a bundle can be made.
    pub fn lacking(&self) -> impl Iterator<Item = SensorId> + '_ {
        let at = self.pivot(None).map(|p| p.at);
        self.lanes.iter().filter(move |l| !l.ended && at.map_or(l.waiting.is_empty(), |at| !self.settled(l, at))).map(|l| l.sensor)
    }
    /// What makes the next bundle; `now` is given where deadlines count.
    fn pivot(&self, now: Option<HostTime>) -> Option<Pivot> {
        let reference = self.lanes.get(self.reference)?;
        let head = |l: &Lane| l.waiting.front().map(|f| Pivot { at: l.time(f), arrived: f.arrived, gap: false });
        let front = head(reference);
        let gap = self.gaps.front().map(|(gap, arrived)| Pivot { at: gap.at, arrived: *arrived, gap: true });
        if let Some(first) = gap.filter(|g| front.is_none_or(|f| g.at < f.at)).or(front) {
            return Some(first);
        }
        let overdue = |l: &Lane| l.waiting.front().is_some_and(|f| now.is_some_and(|n| n >= f.arrived.after(self.deadline)));
        if !reference.ended && !self.lanes.iter().any(overdue) {
            return None;
        }
        self.lanes.iter().filter_map(head).min_by_key(|p| p.at)
    }
    /// When the next bundle must leave even if sensors are missing.
    pub fn due(&self) -> Option<HostTime> {
        let arrivals = self.lanes.iter().filter_map(|l| l.waiting.front().map(|f| f.arrived));
        arrivals.chain(self.gaps.front().map(|(_, arrived)| *arrived)).min().map(|t| t.after(self.deadline))
    }
    /// The next bundle that is due. `now` is `None` where nothing may be given up on (`offline`, `lockstep`).
    pub fn next(&mut self, now: Option<HostTime>) -> Option<Bundle> {
        loop {
            let Pivot { at, arrived, gap } = self.pivot(now)?;
            let expired = now.is_some_and(|n| n >= arrived.after(self.deadline));
            if !expired && !self.lanes.iter().all(|l| self.settled(l, at)) {
                return None;
            }
            let bundle = self.bundle(at, gap);
            // Where nobody else saw anything either, nothing is lost but the rejected frame.
            if !bundle.frames.is_empty() {
                return Some(bundle);
            }
        }
    }
    fn bundle(&mut self, at: SensorTime, gap: bool) -> Bundle {
        if gap {
            self.gaps.pop_front();
        }
        let (window, reference) = (self.window, self.reference);
        let (mut frames, mut presence, mut skew) =
            (Vec::with_capacity(self.lanes.len()), Vec::with_capacity(self.lanes.len()), Duration::ZERO);
        for (place, lane) in self.lanes.iter_mut().enumerate() {
            let rejected = gap && place == reference;
            let taken = if rejected { None } else { lane.take(at, window) };
            lane.missed_last = taken.is_none() && !rejected;
            let here = match (&taken, rejected) {
                (Some(_), _) => Presence::Ok,
                (None, true) => Presence::Rejected,
                (None, false) if lane.ended => Presence::Ended,
                (None, false) => Presence::Missing,
            };
            presence.push((lane.sensor, here));
            if let Some(frame) = taken {
                skew = skew.max(lane.time(&frame).distance(at));
                frames.push(frame);
            }
        }
        self.last = Some(at);
        Bundle { at, frames, presence, skew }
    }
    /// Whether nothing waits and nothing will come.
    pub fn finished(&self) -> bool {
        self.lanes.iter().all(|l| l.ended && l.waiting.is_empty())
    }
    /// Where the frames went; what still waits is in flight. `captured` and `replaced` are the source's to add.
    pub fn tallies(&self) -> Vec<(SensorId, Tally)> {
        let tally = |l: &Lane| {
            let mut t = l.tally.clone();
            t.in_flight += l.waiting.len() as u64;
            (l.sensor, t)
        };
        self.lanes.iter().map(tally).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Calibration, Imu, Payload};
    use std::sync::Arc;

    fn frame(sensor: &str, ms: i64) -> Frame {
        let captured = SensorTime::from_nanos(ms * 1_000_000);
        let arrived = HostTime::from_nanos(ms * 1_000_000);
        let calibration = Arc::new(Calibration::unknown(sensor));
        Frame { arrived, ..Frame::new(SensorId::new(sensor), 0, captured, calibration, Payload::Imu(Imu::default())) }
    }
    fn two(window_ms: f64) -> Aligner {
        let align = Align { window_ms, deadline_ms: 100.0, ..Align::default() };
        Aligner::new(&[SensorId::new("a"), SensorId::new("b")], &align)
    }

    #[test]
    fn the_nearest_frame_is_taken_and_the_surplus_counted() {
        let mut al = two(20.0);
        al.push(frame("a", 100));
        [82, 99, 103].iter().for_each(|&t| al.push(frame("b", t)));
        let bundle = al.next(None).unwrap();
        assert_eq!(bundle.frame(SensorId::new("b")).unwrap().captured.nanos(), 99_000_000);
        assert_eq!(bundle.skew, Duration::from_millis(1));
        assert_eq!(al.tallies()[1].1.rejected, 1);
    }

    #[test]
    fn offline_waits_and_live_gives_up_at_the_deadline() {
        let mut al = two(20.0);
        al.push(frame("a", 100));
        assert!(al.next(None).is_none());
        assert!(al.next(Some(HostTime::from_nanos(150_000_000))).is_none());
        let bundle = al.next(Some(HostTime::from_nanos(200_000_000))).unwrap();
        assert_eq!(bundle.presence[1].1, Presence::Missing);
        al.push(frame("b", 101));
        assert_eq!(al.tallies()[1].1.late, 1);
    }

    #[test]
    fn a_rejected_frame_of_the_reference_still_makes_its_bundle() {
        let mut al = two(20.0);
        let ms = |t: i64| SensorTime::from_nanos(t * 1_000_000);
        let now = HostTime::from_nanos(0);
        [101, 201, 301].iter().for_each(|&t| al.push(frame("b", t)));
        al.lost(Gap { at: ms(200), after: 1 }, now);
        assert!(al.next(None).is_none(), "an earlier frame of the reference is still on its way");
        al.push(frame("a", 100));
        assert_eq!(al.next(None).unwrap().at, ms(100));
        // What comes after it needs not be waited for.
        let bundle = al.next(None).unwrap();
        assert_eq!((bundle.at, bundle.frames.len(), bundle.presence[0].1), (ms(200), 1, Presence::Rejected));
        al.push(frame("a", 300));
        assert_eq!(al.next(None).unwrap().frames.len(), 2);
        // A rejected frame that nobody else was near to makes none, and one at the end does.
        al.lost(Gap { at: ms(350), after: 2 }, now);
        al.lost(Gap { at: ms(400), after: 2 }, now);
        al.push(frame("b", 401));
        ["a", "b"].iter().for_each(|s| al.end(SensorId::new(s)));
        assert_eq!(al.next(None).unwrap().at, ms(400));
        assert!(al.next(None).is_none() && al.finished());
        assert_eq!(al.tallies().iter().map(|(_, t)| (t.used, t.rejected + t.late)).collect::<Vec<_>>(), [(2, 0), (4, 0)]);
    }

    #[test]
    fn a_silent_reference_is_stood_in_for() {
        let mut al = two(20.0);
        al.push(frame("b", 100));
        assert!(al.next(Some(HostTime::from_nanos(120_000_000))).is_none());
        let bundle = al.next(Some(HostTime::from_nanos(200_000_000))).unwrap();
        assert_eq!(bundle.presence, vec![(SensorId::new("a"), Presence::Missing), (SensorId::new("b"), Presence::Ok)]);
        al.end(SensorId::new("a"));
        al.push(frame("b", 300));
        al.end(SensorId::new("b"));
        assert_eq!(al.next(None).unwrap().presence[0].1, Presence::Ended);
        assert!(al.finished());
    }
}
