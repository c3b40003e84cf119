//! Pipelines of toy sensors: conservation of frames under every policy, failures, hangs, alignment, determinism.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use sensorium::runtime::{
    Align, Budget, Cx, Mode, OnError, Outlet, Pipeline, Policy, Reading, Report, SensorInfo, Sink, Source, Stage, StageInfo, Stop, Wiring,
};
use sensorium::types::{Calibration, Error, Frame, Imu, Modality, Packet, Payload, Result, SensorId, SensorTime};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One inertial sensor with a stamp per entry, milliseconds; a negative entry is a frame that cannot be read.
struct Stamps {
    id: SensorId,
    stamps: Vec<i64>,
    next: usize,
    pause: Duration,
}

fn stamps(name: &str, stamps: impl IntoIterator<Item = i64>) -> Stamps {
    Stamps { id: SensorId::new(name), stamps: stamps.into_iter().collect(), next: 0, pause: Duration::ZERO }
}

impl Source for Stamps {
    fn sensors(&self) -> Vec<SensorInfo> {
        vec![SensorInfo { id: self.id, modality: Modality::Imu, calibration: Arc::new(Calibration::unknown(self.id.name())) }]
    }
    fn next(&mut self, _: &Cx) -> Result<Reading> {
        std::thread::sleep(self.pause);
        let Some(&ms) = self.stamps.get(self.next) else { return Ok(Reading::End) };
        let seq = self.next as u64;
        self.next += 1;
        if ms < 0 {
            return Ok(Reading::Rejected { sensor: self.id, at: None, reason: "unreadable".to_owned() });
        }
        let captured = SensorTime::from_nanos(ms * 1_000_000);
        let calibration = Arc::new(Calibration::unknown(self.id.name()));
        Ok(Reading::Frame(Frame::new(self.id, seq, captured, calibration, Payload::Imu(Imu::default()))))
    }
}

/// Does something to each packet by number, then passes it on.
struct Do<F>(F);
impl<F: FnMut(u64) -> Result<bool> + Send> Stage for Do<F> {
    fn info(&self) -> StageInfo {
        StageInfo::default()
    }
    fn process(&mut self, packet: Packet, out: &mut Outlet<'_>, _: &Cx) -> Result<()> {
        if (self.0)(packet.head.seq)? {
            out.send(packet);
        }
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Keep(Arc<Mutex<Vec<Packet>>>);
impl Sink for Keep {
    fn accept(&mut self, packet: &Packet, _: &Cx) -> Result<()> {
        self.0.lock().unwrap().push(packet.clone());
        Ok(())
    }
}
impl Keep {
    fn seqs(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(|p| p.head.seq).collect()
    }
}

fn run(pipeline: Pipeline) -> Report {
    let report = pipeline.run(&Stop::default()).unwrap();
    assert!(report.adds_up, "{report}");
    report
}
fn every(ms: i64, count: i64) -> impl Iterator<Item = i64> {
    (0..count).map(move |i| i * ms)
}

#[test]
fn frames_are_conserved_under_every_policy_and_speed() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..24 {
        let mut pick = |n: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % n
        };
        let policies = [Policy::Block(1), Policy::Block(4), Policy::Latest, Policy::DropOldest(3), Policy::Sample(200.0)];
        let mut policy = || policies[usize::try_from(pick(5)).unwrap()];
        let (a, b, c) = (policy(), policy(), policy());
        let slow = Duration::from_micros(pick(2000));
        let keep = Keep::default();
        let pipeline = Pipeline::new("p").speed(20.0).source("s", stamps("a", every(10, 100)), Policy::DropOldest(4));
        let pipeline = pipeline.stage(
            "slow",
            Do(move |_| {
                std::thread::sleep(slow);
                Ok(true)
            }),
            Wiring::from("align", a),
        );
        let report = run(pipeline.stage("fast", Do(|_| Ok(true)), Wiring::from("align", b)).sink(
            "keep",
            keep.clone(),
            Wiring::from("slow", c).and("fast", c),
        ));
        assert_eq!(report.sensors[0].tally.captured, 100, "round {round}");
        let delivered: u64 = report.edges.iter().filter(|e| e.edge.ends_with("->keep")).map(|e| e.delivered).sum();
        assert_eq!(delivered, keep.seqs().len() as u64, "round {round}");
    }
}

#[test]
fn offline_loses_nothing_and_joins_branches_in_order() {
    let keep = Keep::default();
    let pipeline = Pipeline::new("p").mode(Mode::Offline).source("s", stamps("a", every(10, 300)), Policy::Latest);
    let pipeline = pipeline.stage("some", Do(|seq| Ok(seq % 7 == 0)), Wiring::from("align", Policy::Latest));
    let report = run(pipeline.sink("keep", keep.clone(), Wiring::from("some", Policy::Latest).and("align", Policy::Latest)));
    assert_eq!(keep.seqs(), (0..300).collect::<Vec<_>>());
    assert!(report.kept_its_promise());
}

#[test]
fn a_missing_sensor_yields_bundles_that_say_so() {
    let keep = Keep::default();
    let align = Align { window_ms: 5.0, deadline_ms: 60.0, ..Align::default() };
    let mut dead = stamps("b", [0, 10, 20]);
    dead.pause = Duration::from_millis(5);
    let pipeline =
        Pipeline::new("p").align(align).source("s", stamps("a", every(10, 30)), Policy::Block(4)).source("t", dead, Policy::Block(4));
    let report = run(pipeline.sink("keep", keep.clone(), Wiring::from("align", Policy::Block(4))));
    assert_eq!(report.bundles, 30, "{report}");
    assert!(report.incomplete >= 27);
    assert!(keep.0.lock().unwrap().iter().skip(3).all(|p| p.bundle.missing().count() == 1));
}

#[test]
fn stamps_that_go_back_and_unreadable_frames_are_counted_and_lose_nothing_else() {
    let pipeline = Pipeline::new("p").mode(Mode::Offline).source("s", stamps("a", [0, 10, 5, -1, 20, 30]), Policy::Block(2));
    let report = run(pipeline.sink("keep", Keep::default(), Wiring::from("align", Policy::Block(2))));
    let tally = &report.sensors[0].tally;
    assert_eq!((tally.captured, tally.used, tally.rejected), (6, 4, 2));
    assert_eq!(tally.reasons.get("time stamp went back"), Some(&1));
    assert!(report.kept_its_promise());
}

fn failing(on_error: OnError, fail: impl Fn(u64) -> Result<bool> + Send + 'static) -> (Report, Vec<u64>) {
    let keep = Keep::default();
    let pipeline = Pipeline::new("p").mode(Mode::Offline).source("s", stamps("a", every(10, 50)), Policy::Block(2));
    let pipeline = pipeline.stage("bad", Do(fail), Wiring::from("align", Policy::Block(2)).on_error(on_error));
    (run(pipeline.sink("keep", keep.clone(), Wiring::from("bad", Policy::Block(2)))), keep.seqs())
}
fn fault(seq: u64) -> Result<bool> {
    if seq == 10 { Err(Error::mismatch("a good packet", "a bad one", "test")) } else { Ok(true) }
}

#[test]
fn an_error_is_named_and_follows_the_policy() {
    let (report, seqs) = failing(OnError::Ignore, fault);
    assert_eq!((seqs.len(), report.nodes[1].failed), (50, 1));
    assert!(report.problems[0].starts_with("bad: failed 1 times"), "{:?}", report.problems);
    assert!(!report.kept_its_promise(), "offline, a failure is a loss");
    let (_, seqs) = failing(OnError::Abort, fault);
    assert!(seqs.len() == 49 && !seqs.contains(&10));
    let (report, seqs) = failing(OnError::Shutdown, fault);
    assert!(seqs.len() < 50 && report.adds_up);
}

#[test]
fn a_panic_is_an_error_with_a_name() {
    std::panic::set_hook(Box::new(|_| {}));
    let (report, seqs) = failing(OnError::Abort, |seq| if seq == 3 { panic!("boom") } else { Ok(true) });
    let _ = std::panic::take_hook();
    assert_eq!(seqs.len(), 49);
    assert!(report.nodes[1].errors.keys().next().unwrap().contains("boom"));
}

#[test]
fn a_hanging_stage_is_named_and_the_run_ends() {
    let began = Instant::now();
    let pipeline = Pipeline::new("p").mode(Mode::Offline).hang_after(Duration::from_millis(200)).source(
        "s",
        stamps("a", every(10, 20)),
        Policy::Block(2),
    );
    let hang = |seq| {
        if seq == 2 {
            std::thread::sleep(Duration::from_secs(20));
        }
        Ok(true)
    };
    let pipeline = pipeline.stage("stuck", Do(hang), Wiring::from("align", Policy::Block(2)));
    let report = pipeline.sink("keep", Keep::default(), Wiring::from("stuck", Policy::Block(2))).run(&Stop::default()).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(report.problems.iter().any(|p| p == "stuck: hangs"), "{report}");
    assert!(report.lost >= 1 && !report.kept_its_promise(), "{report}");
}

#[test]
fn lockstep_has_one_bundle_in_flight() {
    let (inside, most) = (Arc::new(std::sync::atomic::AtomicI64::new(0)), Arc::new(std::sync::atomic::AtomicI64::new(0)));
    let (enter, peak) = (Arc::clone(&inside), Arc::clone(&most));
    let first = Do(move |_| {
        peak.fetch_max(enter.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1, std::sync::atomic::Ordering::SeqCst);
        Ok(true)
    });
    let last = Do(move |_| {
        std::thread::sleep(Duration::from_millis(1));
        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        Ok(true)
    });
    let pipeline = Pipeline::new("p").mode(Mode::Lockstep).source("s", stamps("a", every(10, 40)), Policy::Latest);
    let pipeline =
        pipeline.stage("first", first, Wiring::from("align", Policy::Latest)).stage("last", last, Wiring::from("first", Policy::Latest));
    let report = run(pipeline.sink("keep", Keep::default(), Wiring::from("last", Policy::Latest)));
    assert_eq!((report.bundles, most.load(std::sync::atomic::Ordering::SeqCst)), (40, 1));
}

#[test]
fn broken_budgets_are_named() {
    let budget = Budget { p99_ms: Some(0.5), min_hz: Some(0.001), ..Budget::default() };
    let pipeline = Pipeline::new("p").mode(Mode::Offline).source("s", stamps("a", every(10, 5)), Policy::Block(2));
    let slow = Do(|_| {
        std::thread::sleep(Duration::from_millis(3));
        Ok(true)
    });
    let pipeline = pipeline.stage("slow", slow, Wiring::from("align", Policy::Block(2)).budget(budget));
    let report = run(pipeline.sink("keep", Keep::default(), Wiring::from("slow", Policy::Block(2))));
    assert!(report.problems[0].starts_with("slow: budget p99_ms 0.5 broken") && report.problems.len() == 1, "{:?}", report.problems);
    assert_eq!(
        report.budgets.iter().map(|b| (b.node.as_str(), b.what, b.kept)).collect::<Vec<_>>(),
        [("slow", "p99_ms", false), ("slow", "min_hz", true)]
    );
    // The printed report has them too, and a unit over every time.
    let printed = report.to_string();
    let row = |start: &str| printed.lines().find(|l| l.trim_start().starts_with(start)).unwrap_or_else(|| panic!("{start} in {printed}"));
    assert!(row("slow p99_ms").ends_with("broken") && row("slow min_hz").ends_with("kept"), "{printed}");
    assert!(row("edges").contains("wait p99 ms") && row("work").contains("age p99 ms") && row("work").contains("skew p99 ms"), "{printed}");
}

#[test]
fn a_limit_of_bundles_leaves_the_rest_in_flight() {
    let pipeline = Pipeline::new("p").mode(Mode::Offline).bundles(Some(7)).source("s", stamps("a", every(10, 100)), Policy::Block(4));
    let report = run(pipeline.sink("keep", Keep::default(), Wiring::from("align", Policy::Block(4))));
    assert_eq!((report.bundles, report.sensors[0].tally.used), (7, 7));
}

#[test]
fn every_problem_of_a_graph_is_listed_at_once() {
    let pipeline = Pipeline::new("p").align(Align { reference: Some("aa".to_owned()), ..Align::default() });
    let pipeline =
        pipeline.source("s", stamps("a", [0]), Policy::Latest).stage("x", Do(|_| Ok(true)), Wiring::from("alignn", Policy::Latest));
    let problems = pipeline.sink("x", Keep::default(), Wiring::default()).check();
    let all = problems.join("\n");
    for wanted in ["did you mean `a`?", "did you mean `align`?", "name `x`", "wanted an input"] {
        assert!(all.contains(wanted), "{wanted} not in\n{all}");
    }
}
