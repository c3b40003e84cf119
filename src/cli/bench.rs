//! `sensorium bench`: what the machinery costs on this machine, with hardware and commit.

mod fragments;
mod fusion;
mod kernels;
mod models;
mod semantic_cloud;
mod serve;
mod steady;
mod surround;
mod world;

use super::machine::{Machine, memory_bytes};
use super::{Ending, Format, Result, output};
use crate::runtime::{
    Cx, Histogram, Mode, Outlet, Pipeline, Policy, Quantiles, Reading, SensorInfo, Sink, Source, Stage, StageInfo, Stop, Wiring,
};
use crate::types::{Calibration, Error, Frame, HostTime, Modality, Packet, Payload, Pool, RgbImage, SensorId, SensorTime};
use serde::Serialize;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What can be timed.
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Hand-over between threads, policies under load, memory over 10,000 bundles
    Runtime(Args),
    /// Networks: parameters, multiply-adds, time, memory, operators; and our kernels against plain tensor operations
    Models(models::Args),
    /// Measures of fused pictures, from files to the report
    Fusion(fusion::Args),
    /// nuScenes metrics, sweeps put together, map windows
    Eval(super::bench_eval::Args),
    /// The embedded world: a driving rig, one larger camera, loading the largest town; the same behind CARLA's protocol
    World(Args),
    /// Parts that are ours alone, beside the plain or published way: pooling, voxels, sparse convolution, registration, contours
    Kernels(kernels::Args),
}

/// Arguments of a benchmark.
#[derive(clap::Args)]
pub struct Args {
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Times what was asked for; a broken bar is exit 1.
pub(super) fn bench(verb: &Verb) -> Result {
    let (args, rows) = match verb {
        Verb::Runtime(args) => (args, vec![hops()?, latest()?, offline()?]),
        Verb::World(args) => (args, world::rows()?.into_iter().chain(serve::rows()?).collect()),
        Verb::Models(args) => return models::models(args),
        Verb::Fusion(args) => return fusion::fusion(args),
        Verb::Eval(args) => return super::bench_eval::bench(args),
        Verb::Kernels(args) => return kernels::kernels(args),
    };
    let kept = rows.iter().all(|r| r.kept);
    output::formatted(args.format, &Table { version: 1, machine: Machine::this(), rows })?;
    Ok(if kept { Ending::Done } else { Ending::No })
}

#[derive(Serialize)]
struct Table {
    version: u32,
    machine: Machine,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    what: &'static str,
    bar: &'static str,
    kept: bool,
    milliseconds: Quantiles,
    detail: String,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine.line())?;
        for r in &self.rows {
            let q = &r.milliseconds;
            writeln!(f, "\n{}\n  bar: {} ({})", r.what, r.bar, if r.kept { "kept" } else { "BROKEN" })?;
            writeln!(f, "  p50 {:.3} ms, p95 {:.3} ms, p99 {:.3} ms, max {:.3} ms over {} packets", q.p50, q.p95, q.p99, q.max, q.count)?;
            writeln!(f, "  {}", r.detail)?;
        }
        Ok(())
    }
}

/// A camera of 1280x720 frames from a pool, at a rate or as fast as possible.
struct Camera {
    id: SensorId,
    pool: Pool<u8>,
    calibration: Arc<Calibration>,
    next: u64,
    frames: u64,
    period: Duration,
}

const SIZE: [usize; 2] = [1280, 720];

impl Camera {
    fn new(frames: u64, hz: f64) -> Self {
        let id = SensorId::new("camera");
        Self {
            id,
            pool: Pool::new(64),
            calibration: Arc::new(Calibration::unknown("camera")),
            next: 0,
            frames,
            period: Duration::from_secs_f64(1.0 / hz),
        }
    }
}

impl Source for Camera {
    fn sensors(&self) -> Vec<SensorInfo> {
        vec![SensorInfo { id: self.id, modality: Modality::Rgb, calibration: Arc::clone(&self.calibration) }]
    }
    fn next(&mut self, _: &Cx) -> crate::types::Result<Reading> {
        if self.next == self.frames {
            return Ok(Reading::End);
        }
        let [width, height] = SIZE;
        let picture = RgbImage::new(width, height, self.pool.take(width * height * 3))?;
        let seq = self.next;
        self.next += 1;
        let captured = SensorTime::default().after(self.period.saturating_mul(u32::try_from(seq).unwrap_or(u32::MAX)));
        let payload = Payload::Rgb(Arc::new(picture));
        Ok(Reading::Frame(Frame::new(self.id, seq, captured, Arc::clone(&self.calibration), payload)))
    }
    fn pools(&self) -> Vec<(String, crate::types::PoolFill)> {
        vec![("pictures".to_owned(), self.pool.fill())]
    }
}

/// Passes packets on, after some work.
struct Pass(Duration);

impl Stage for Pass {
    fn info(&self) -> StageInfo {
        StageInfo::default()
    }
    fn process(&mut self, packet: Packet, out: &mut Outlet<'_>, _: &Cx) -> crate::types::Result<()> {
        if !self.0.is_zero() {
            std::thread::sleep(self.0);
        }
        out.send(packet);
        Ok(())
    }
}

/// What a [`Gauge`] sink saw.
#[derive(Default)]
struct Seen {
    age: Histogram,
    addresses: Mutex<std::collections::BTreeSet<usize>>,
    packets: AtomicU64,
    early: AtomicU64,
    late: AtomicU64,
}

/// Stalls once, at the packet of this number (0: never); notes the age of packets, where their pixels lie, and the process's memory early and late.
struct Gauge(Arc<Seen>, u64);

impl Sink for Gauge {
    fn accept(&mut self, packet: &Packet, _: &Cx) -> crate::types::Result<()> {
        let seen = &self.0;
        seen.age.record(packet.head.lineage.age(HostTime::now()));
        for frame in &packet.bundle.frames {
            if let Payload::Rgb(picture) = &frame.payload {
                seen.addresses.lock().unwrap_or_else(PoisonError::into_inner).insert(picture.data().as_ptr().addr());
            }
        }
        let n = seen.packets.fetch_add(1, Ordering::Relaxed) + 1;
        if n == self.1 {
            // Lets every queue fill to the brim once, so that memory is at its most before it is first looked at.
            std::thread::sleep(Duration::from_millis(300));
        }
        if n == 500 {
            seen.early.store(memory_bytes("VmRSS"), Ordering::Relaxed);
        }
        if n >= 500 && n.is_multiple_of(500) {
            seen.late.fetch_max(memory_bytes("VmRSS"), Ordering::Relaxed);
        }
        Ok(())
    }
}

fn chain(mut pipeline: Pipeline, stages: usize, work: Duration, policy: Policy, seen: &Arc<Seen>, stall_at: u64) -> Pipeline {
    let mut from = "align".to_owned();
    for number in 1..=stages {
        let name = format!("stage{number}");
        pipeline = pipeline.stage(&name, Pass(work), Wiring::from(&from, policy));
        from = name;
    }
    pipeline.sink("gauge", Gauge(Arc::clone(seen), stall_at), Wiring::from(&from, policy))
}

/// Six edges: source, aligner, four stages, sink. A frame's address at the sink is one of the pool's: nothing was copied.
/// With `keep_awake`; in turn with the same pipeline without it, and with bare channels between sleeping threads, since what a
/// wake-up costs differs from second to second on a virtual machine.
fn hops() -> Result<Row> {
    let (seen, halting, bare) = (Arc::new(Seen::default()), Arc::new(Seen::default()), Histogram::default());
    let (mut taken, mut misses) = (0, 0);
    for _ in 0..5 {
        for (awake, seen) in [(true, &seen), (false, &halting)] {
            let pipeline = Pipeline::new("hops").keep_awake(awake).source("camera", Camera::new(400, 500.0), Policy::Block(4));
            let report = chain(pipeline, 4, Duration::ZERO, Policy::Block(4), seen, 0).run(&Stop::default())?;
            let fill = report.pools.first().ok_or_else(|| Error::mismatch("the camera's pool", "none", "bench"))?;
            taken += fill.1.taken;
            misses += fill.1.misses;
        }
        bare_relay(&bare);
    }
    let places = |seen: &Seen| seen.addresses.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
    let places = places(&seen) + places(&halting);
    let (milliseconds, halting, bare) = (seen.age.quantiles(), halting.age.quantiles(), bare.quantiles());
    let detail = format!(
        "{taken} frames lay in {places} buffers that the source allocated ({misses} allocations): no copy of pixels; in turn, \
         where cores may halt between frames: p50 {:.3} ms, bare channels over as many threads {:.3} ms",
        halting.p50, bare.p50
    );
    let kept = milliseconds.p50 <= 0.060 && places <= misses;
    Ok(Row {
        what: "six hops of a 1280x720 RGB frame, 500 Hz, `keep_awake`",
        bar: "p50 at most 0.060 ms, no copy",
        kept,
        milliseconds,
        detail,
    })
}

/// What this machine takes to wake five relaying threads and a last one through bare bounded channels, with nothing else done.
fn bare_relay(ages: &Histogram) {
    let (entrance, mut exit) = std::sync::mpsc::sync_channel::<HostTime>(4);
    let mut threads = Vec::new();
    for _ in 0..5 {
        let (onward, next) = std::sync::mpsc::sync_channel(4);
        let from = std::mem::replace(&mut exit, next);
        threads.push(std::thread::spawn(move || from.iter().try_for_each(|stamp| onward.send(stamp))));
    }
    std::thread::scope(|scope| {
        scope.spawn(move || exit.iter().for_each(|stamp| ages.record(HostTime::now().since(stamp))));
        for _ in 0..400 {
            if entrance.send(HostTime::now()).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        drop(entrance);
    });
}

fn latest() -> Result<Row> {
    let seen = Arc::new(Seen::default());
    let pipeline = Pipeline::new("latest").source("camera", Camera::new(600, 200.0), Policy::Latest);
    let pipeline = pipeline.stage("slow", Pass(Duration::from_millis(20)), Wiring::from("align", Policy::Latest));
    let report = pipeline.sink("gauge", Gauge(Arc::clone(&seen), 0), Wiring::from("slow", Policy::Latest)).run(&Stop::default())?;
    let milliseconds = seen.age.quantiles();
    let edge =
        report.edges.iter().find(|e| e.edge == "align->slow").ok_or_else(|| Error::mismatch("an edge align->slow", "none", "bench"))?;
    let detail = format!(
        "offered {} = delivered {} + replaced {} + in flight {}; account adds up: {}",
        edge.offered, edge.delivered, edge.replaced, edge.in_flight, report.adds_up
    );
    let kept = milliseconds.p99 <= 35.0 && report.adds_up;
    Ok(Row { what: "a 200 Hz source before a 20 ms stage, `latest`", bar: "age p99 at most 35 ms", kept, milliseconds, detail })
}

fn offline() -> Result<Row> {
    let seen = Arc::new(Seen::default());
    let pipeline = Pipeline::new("offline").mode(Mode::Offline).source("camera", Camera::new(10_000, 100.0), Policy::Latest);
    let report = chain(pipeline, 5, Duration::ZERO, Policy::Latest, &seen, 250).run(&Stop::default())?;
    let (early, late) = (seen.early.load(Ordering::Relaxed), seen.late.load(Ordering::Relaxed));
    let growth = late.saturating_sub(early);
    let arrived = seen.packets.load(Ordering::Relaxed);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let detail = format!(
        "{arrived} of 10000 arrived, {} lost; memory {:.1} MiB after 500 bundles, at most {:.1} MiB later",
        report.lost,
        mib(early),
        mib(late)
    );
    let kept = arrived == 10_000 && report.kept_its_promise() && growth <= 1 << 20;
    Ok(Row {
        what: "10,000 bundles of 1280x720 through five stages, offline",
        bar: "none lost, memory grows by at most 1 MiB",
        kept,
        milliseconds: seen.age.quantiles(),
        detail,
    })
}
