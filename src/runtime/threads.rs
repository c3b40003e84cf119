//! The loops that sources, the aligner, stages and sinks run in, one thread each.
//!
//! A panic inside a source, stage or sink is caught here, named and counted like any error. *Invariant*: whatever ends a
//! loop, its outgoing edges are dropped, so the end travels downstream and every sink is finished.

use super::align::{Aligner, Gap, Tally};
use super::edge::{Inlet, LOOK, Received, Sender, Sent};
use super::health::{NodeStats, OnError};
use super::intake::{Intake, Parcel, Taken, Token};
use super::pipeline::Remake;
use super::traits::{Cx, Mode, Outlet, Reading, Sink, Source, Stage};
use crate::types::{Error, Frame, Head, HostTime, Lineage, Origin, Packet, Result, SensorId, SensorTime, StageTime, num};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a node may be built anew before the run is ended.
const RESTARTS: u64 = 3;

/// Tallies that a source's thread and the aligner's fill together.
pub(super) type Tallies = Arc<Mutex<BTreeMap<SensorId, Tally>>>;

pub(super) fn tally(tallies: &Tallies, sensor: SensorId, add: impl FnOnce(&mut Tally)) {
    add(tallies.lock().unwrap_or_else(PoisonError::into_inner).entry(sensor).or_default());
}

fn guarded<R>(what: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(what)).unwrap_or_else(|panic| Err(Error::mismatch("no panic", said(&*panic), "inside the node")))
}
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "a panic".to_owned(), |t| format!("panic: {t}"))
}

pub(super) struct SourceThread {
    pub(super) source: Box<dyn Source>,
    pub(super) start_at: Option<SensorTime>,
    pub(super) out: Sender<Frame>,
    pub(super) stats: Arc<NodeStats>,
    pub(super) tallies: Tallies,
    pub(super) speed: f64,
    pub(super) cx: Cx,
}

impl SourceThread {
    /// Reads until the end, the stop or a failure; gives the source back for the report.
    pub(super) fn run(mut self) -> Box<dyn Source> {
        let paced = self.cx.mode == Mode::Live && !self.source.live();
        let mut first: Option<(SensorTime, HostTime)> = None;
        let mut shift: Option<i64> = None;
        let mut newest: BTreeMap<SensorId, SensorTime> = BTreeMap::new();
        while !self.cx.stop.stopped() {
            let since = self.stats.begin();
            let reading = guarded(|| self.source.next(&self.cx));
            self.stats.end(since);
            match reading {
                Ok(Reading::End) => break,
                Ok(Reading::Rejected { sensor, at, reason }) => {
                    let at = at.map(|at| self.shifted(at, &mut shift)).filter(|at| newest.get(&sensor).is_none_or(|last| last < at));
                    tally(&self.tallies, sensor, |t| {
                        t.captured += 1;
                        t.reject(&reason);
                        t.gaps.extend(at.map(|at| Gap { at, after: t.captured - t.rejected }));
                    });
                }
                Ok(Reading::Frame(mut frame)) => {
                    frame.captured = self.shifted(frame.captured, &mut shift);
                    tally(&self.tallies, frame.sensor, |t| t.captured += 1);
                    let last = newest.entry(frame.sensor).or_insert(frame.captured);
                    if frame.captured < *last {
                        let back = last.since(frame.captured).as_secs_f64() * 1e3;
                        tracing::debug!("{}: stamp went back by {back:.3} ms", frame.sensor);
                        tally(&self.tallies, frame.sensor, |t| t.reject("time stamp went back"));
                        continue;
                    }
                    *last = frame.captured;
                    if paced {
                        let (start, host) = *first.get_or_insert_with(|| (frame.captured, HostTime::now()));
                        let due = host.after(frame.captured.since(start).div_f64(self.speed));
                        self.wait_until(due);
                    }
                    self.send(frame);
                }
                Err(error) => {
                    self.stats.fail(&error.to_string());
                    break;
                }
            }
        }
        self.stats.done.store(true, Relaxed);
        self.source
    }
    /// The time as it is counted here: the first one becomes `start_at`, where that is given.
    fn shifted(&self, at: SensorTime, shift: &mut Option<i64>) -> SensorTime {
        let Some(start) = self.start_at else { return at };
        let shift = *shift.get_or_insert(start.nanos().saturating_sub(at.nanos()));
        SensorTime::from_nanos(at.nanos().saturating_add(shift))
    }
    fn wait_until(&self, due: HostTime) {
        loop {
            let left = due.since(HostTime::now());
            if left.is_zero() || self.cx.stop.stopped() {
                return;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
    fn send(&self, mut frame: Frame) {
        frame.arrived = HostTime::now();
        match self.out.send(frame) {
            Sent::Accepted => {}
            Sent::Replaced(old) => tally(&self.tallies, old.sensor, |t| t.replaced += 1),
            Sent::NotTaken(back) => tally(&self.tallies, back.sensor, |t| t.in_flight += 1),
        }
    }
}

pub(super) struct AlignThread {
    pub(super) inlets: Vec<(Inlet<Frame>, Vec<SensorId>)>,
    pub(super) aligner: Aligner,
    pub(super) outs: Vec<Sender<Parcel>>,
    pub(super) limit: Option<u64>,
    pub(super) tallies: Tallies,
    pub(super) cx: Cx,
}

impl AlignThread {
    /// Makes bundles until every source has ended; gives how many there were, and how many lacked a sensor.
    pub(super) fn run(mut self) -> (u64, u64) {
        let (mut made, mut incomplete) = (0u64, 0u64);
        let live = self.cx.mode == Mode::Live;
        let mut open = vec![true; self.inlets.len()];
        while !self.full(made) {
            self.heed();
            while let Some(bundle) = (!self.full(made)).then(|| self.aligner.next(live.then(HostTime::now))).flatten() {
                incomplete += u64::from(bundle.missing().next().is_some());
                self.emit(made, bundle);
                made += 1;
            }
            if !open.contains(&true) && self.aligner.finished() {
                break;
            }
            self.fill(&mut open, live);
        }
        self.outs.clear();
        if self.limit.is_some() {
            self.cx.stop.stop();
        }
        self.drain(open);
        for (sensor, counted) in self.aligner.tallies() {
            tally(&self.tallies, sensor, |t| {
                t.used += counted.used;
                t.late += counted.late;
                t.rejected += counted.rejected;
                t.in_flight += counted.in_flight;
                counted.reasons.iter().for_each(|(r, n)| *t.reasons.entry(r.clone()).or_default() += n);
            });
        }
        (made, incomplete)
    }
    /// Takes note of rejected frames of the reference. A source counts one before it sends the next frame, so nothing is passed by.
    /// Those of other sensors are forgotten: they make no bundle.
    fn heed(&mut self) {
        let (reference, now) = (self.aligner.reference(), HostTime::now());
        for (sensor, tally) in self.tallies.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            let gaps = tally.gaps.drain(..).filter(|_| *sensor == reference);
            gaps.for_each(|gap| self.aligner.lost(gap, now));
        }
    }
    fn full(&self, made: u64) -> bool {
        self.limit.is_some_and(|limit| made >= limit)
    }
    /// Takes what the sources have; where nothing may be lost, only from those whose next frame is needed.
    fn fill(&mut self, open: &mut [bool], live: bool) {
        let lacking: Vec<SensorId> = self.aligner.lacking().collect();
        let wanted = |sensors: &[SensorId]| live || sensors.iter().any(|s| lacking.contains(s));
        let wait = self.aligner.due().filter(|_| live).map_or(LOOK, |due| due.since(HostTime::now()).min(LOOK));
        let wait = wait.max(Duration::from_micros(100));
        let many = self.inlets.len() > 1;
        if many {
            let needed = self.inlets.iter().zip(&*open).filter(|((_, s), o)| **o && wanted(s)).map(|((inlet, _), _)| inlet);
            Inlet::wait_any(needed, wait);
        }
        for ((inlet, sensors), open) in self.inlets.iter().zip(open) {
            if !*open || !wanted(sensors) {
                continue;
            }
            // One source needs no selection, which costs as much as a hop.
            match if many { inlet.poll() } else { inlet.receive(wait) } {
                Received::Item(frame, _) => self.aligner.push(frame),
                Received::Nothing => {}
                Received::Closed => {
                    *open = false;
                    sensors.iter().for_each(|s| self.aligner.end(*s));
                }
            }
        }
    }
    /// What the sources still had when the limit was reached is in flight.
    fn drain(&self, mut open: Vec<bool>) {
        while open.contains(&true) {
            for ((inlet, _), open) in self.inlets.iter().zip(&mut open).filter(|(_, o)| **o) {
                match inlet.receive(LOOK) {
                    Received::Item(frame, _) => tally(&self.tallies, frame.sensor, |t| t.in_flight += 1),
                    Received::Nothing => {}
                    Received::Closed => *open = false,
                }
            }
        }
    }
    fn emit(&self, seq: u64, bundle: crate::types::Bundle) {
        let origin = |f: &Frame| Origin { sensor: f.sensor, seq: f.seq, captured: f.captured, arrived: f.arrived };
        let lineage = Lineage { origins: Arc::new(bundle.frames.iter().map(origin).collect()), stages: Vec::new() };
        let packet = Packet { head: Head { seq, at: bundle.at, lineage }, bundle: Arc::new(bundle), outcomes: Vec::new() };
        if self.cx.mode == Mode::Lockstep {
            let (token, gone) = Token::new();
            emit(&self.outs, packet, Some(token));
            // Ends when the last holder lets go; a node that hangs is abandoned by the watch, which lets go for it.
            while !matches!(gone.recv_timeout(LOOK), Err(crossbeam_channel::RecvTimeoutError::Disconnected)) && !self.cx.stop.stopped() {}
        } else {
            emit(&self.outs, packet, None);
        }
    }
}

fn emit(outs: &[Sender<Parcel>], packet: Packet, token: Option<Arc<Token>>) {
    let Some((last, others)) = outs.split_last() else { return };
    for out in others {
        out.send(Parcel::Packet(Box::new(packet.clone()), token.clone()));
    }
    last.send(Parcel::Packet(Box::new(packet), token));
}

pub(super) struct StageThread {
    pub(super) name: Arc<str>,
    pub(super) stage: Box<dyn Stage>,
    pub(super) remake: Option<Remake<dyn Stage>>,
    pub(super) on_error: OnError,
    pub(super) intake: Intake,
    pub(super) outs: Vec<Sender<Parcel>>,
    pub(super) stats: Arc<NodeStats>,
    pub(super) cx: Cx,
}

impl StageThread {
    pub(super) fn run(mut self) -> Box<dyn Stage> {
        let info = self.stage.info();
        let marks = self.cx.mode != Mode::Live;
        while let Some((packet, waited, token)) = self.intake.next() {
            let seq = packet.head.seq;
            if info.requires.iter().any(|s| packet.bundle.frame(*s).is_none()) {
                self.stats.skipped.fetch_add(1, Relaxed);
                emit(&self.outs, *packet, token);
                continue;
            }
            let given = self.process(*packet, waited, info.weights.as_ref().map(|w| &w.digest));
            if given.is_empty() && marks {
                self.outs.iter().filter(|o| !matches!(o.stats().policy, super::Policy::Sample(_))).for_each(|o| o.mark(Parcel::Skip(seq)));
            }
            given.into_iter().for_each(|p| emit(&self.outs, p, token.clone()));
        }
        let mut last = Vec::new();
        let finished = guarded(|| self.stage.finish(&mut Outlet::new(Arc::clone(&self.name), &mut |p| last.push(p)), &self.cx));
        if let Err(error) = finished {
            self.stats.fail(&error.to_string());
        }
        last.into_iter().for_each(|p| emit(&self.outs, p, None));
        self.stats.done.store(true, Relaxed);
        self.stage
    }
    fn process(&mut self, packet: Packet, waited: Duration, weights: Option<&Arc<str>>) -> Vec<Packet> {
        let original = (self.on_error == OnError::Ignore).then(|| packet.clone());
        let mut given = Vec::with_capacity(1);
        let since = self.stats.begin();
        let (name, stage, cx) = (&self.name, &mut self.stage, &self.cx);
        let outcome = guarded(|| stage.process(packet, &mut Outlet::new(Arc::clone(name), &mut |p| given.push(p)), cx));
        let worked = self.stats.end(since);
        let now = HostTime::now();
        if let Err(error) = outcome {
            self.stats.fail(&error.to_string());
            if given.is_empty() {
                given.extend(original);
            }
            self.recover();
            return given;
        }
        for packet in &mut given {
            let (stage, weights) = (Arc::clone(&self.name), weights.cloned());
            packet.head.lineage.stages.push(StageTime { stage, waited: num::nanos(waited), worked: num::nanos(worked), weights });
            self.stats.age.record(packet.head.lineage.age(now));
        }
        given
    }
    fn recover(&mut self) {
        if recover(&self.stats, self.on_error, &self.cx, &mut self.stage, self.remake.as_mut()) {
            tracing::info!("{}: built anew", self.name);
        }
    }
}

/// Does what `on_error` says beyond counting; true where the node was built anew.
fn recover<T: ?Sized>(stats: &NodeStats, on_error: OnError, cx: &Cx, node: &mut Box<T>, remake: Option<&mut Remake<T>>) -> bool {
    match (on_error, remake) {
        (OnError::Ignore | OnError::Abort, _) => false,
        (OnError::Restart, Some(remake)) if stats.restarts.fetch_add(1, Relaxed) < RESTARTS => match remake() {
            Ok(fresh) => {
                *node = fresh;
                true
            }
            Err(error) => {
                stats.fail(&format!("cannot be built anew: {error}"));
                cx.stop.stop();
                false
            }
        },
        (OnError::Restart | OnError::Shutdown, _) => {
            cx.stop.stop();
            false
        }
    }
}

pub(super) struct SinkThread {
    pub(super) sink: Box<dyn Sink>,
    pub(super) remake: Option<Remake<dyn Sink>>,
    pub(super) on_error: OnError,
    pub(super) intake: Intake,
    pub(super) stats: Arc<NodeStats>,
    pub(super) cx: Cx,
    pub(super) layout: super::traits::Layout,
}

impl SinkThread {
    /// Takes packets until nothing comes, finishes the sink, and gives it back.
    pub(super) fn run(mut self) -> Box<dyn Sink> {
        while let Some((packet, _, token)) = self.intake.next() {
            self.accept((packet, Duration::ZERO, token));
        }
        self.stats.begin();
        let finished = guarded(|| self.sink.finish(&self.cx));
        self.stats.pause();
        if let Err(error) = finished {
            self.stats.fail(&error.to_string());
        }
        self.stats.done.store(true, Relaxed);
        self.sink
    }
    fn accept(&mut self, (packet, _, token): Taken) {
        let since = self.stats.begin();
        let outcome = guarded(|| self.sink.accept(&packet, &self.cx));
        self.stats.end(since);
        self.stats.age.record(packet.head.lineage.age(HostTime::now()));
        self.stats.skew.record(packet.bundle.skew);
        drop(token);
        if let Err(error) = outcome {
            self.stats.fail(&error.to_string());
            if recover(&self.stats, self.on_error, &self.cx, &mut self.sink, self.remake.as_mut())
                && let Err(error) = guarded(|| self.sink.start(&self.layout, &self.cx))
            {
                self.stats.fail(&error.to_string());
                self.cx.stop.stop();
            }
        }
    }
}
