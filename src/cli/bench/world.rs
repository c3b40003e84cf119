//! `sensorium bench world`: how fast the embedded world is looked at, and what its largest town costs.
//!
//! *Out*: rows with their bars: a driving rig, one larger camera, loading a town of 100 junctions, and the same rig in a small and in the large town.
//! *Invariant*: a row measures whole ticks, the world's own step included; nothing is rendered ahead.

use super::super::machine::memory_bytes;
use super::Row;
use crate::runtime::Histogram;
use crate::types::{Error, Result};
use crate::world::live::{Live, LiveConfig};
use crate::world::motion::{World, WorldConfig};
use crate::world::sensors::{Geometry, SensorKind, SensorSpec};
use std::time::{Duration, Instant};

/// Ticks that are timed in each row.
const TICKS: u32 = 120;
/// Ticks before, so that shadows are drawn and memory is there.
const BEFORE: u32 = 10;

/// All rows.
pub(super) fn rows() -> Result<Vec<Row>> {
    let (small, rate_small) = driving(
        "town-03",
        "the driving rig in town-03 (12 junctions): three 320x160 RGB + depth + labels, thermal and visible 320x240, 32-beam LiDAR",
        20.0,
    )?;
    let (load, _) = loading()?;
    let (large, rate_large) = driving("town-10", "the same rig in town-10 (100 junctions)", 20.0)?;
    let mut large = large;
    large.detail = format!("{}; {:.2} of the rate in town-03", large.detail, rate_large / rate_small);
    Ok(vec![small, camera()?, load, large])
}

fn rig() -> Vec<SensorSpec> {
    let mut sensors = Vec::new();
    for (name, yaw) in [("front", 0.0), ("left", 55.0), ("right", -55.0)] {
        let like = |kind: SensorKind| SensorSpec { like: Some(name.to_owned()), ..SensorSpec::new(&format!("{name}_{kind:?}"), kind) };
        sensors.push(SensorSpec::new(name, SensorKind::Rgb).placed([0.6, 0.0, 1.5], yaw).sized(320, 160, 90.0).every(20.0));
        sensors.extend([like(SensorKind::Depth), like(SensorKind::Semantic)]);
    }
    sensors.push(SensorSpec::new("visible", SensorKind::Rgb).placed([0.6, 0.1, 1.5], 0.0).sized(320, 240, 60.0).every(20.0));
    sensors.push(SensorSpec { like: Some("visible".to_owned()), ..SensorSpec::new("thermal", SensorKind::Thermal) });
    sensors.push(SensorSpec::new("lidar", SensorKind::Lidar).placed([0.0, 0.0, 1.85], 0.0).every(20.0));
    sensors
}

fn live(town: &str, sensors: Vec<SensorSpec>, step_hz: f64) -> Result<Live> {
    let world = WorldConfig { town: town.to_owned(), vehicles: 30, pedestrians: 20, ..WorldConfig::default() };
    Live::new(&LiveConfig { world, sensors, step_hz, warm_up_s: 5.0, parked: false, place: [0.0; 4] })
}

/// Times ticks; gives quantiles by way of the histogram, and ticks a second.
fn ticks(live: &mut Live) -> Result<(Histogram, f64)> {
    for _ in 0..BEFORE {
        live.advance()?;
    }
    let (times, start) = (Histogram::default(), Instant::now());
    for _ in 0..TICKS {
        let tick = Instant::now();
        live.advance()?;
        times.record(tick.elapsed());
    }
    Ok((times, f64::from(TICKS) / start.elapsed().as_secs_f64()))
}

fn driving(town: &str, what: &'static str, bar: f64) -> Result<(Row, f64)> {
    let mut live = live(town, rig(), 20.0)?;
    let (times, rate) = ticks(&mut live)?;
    let detail = format!("{rate:.1} steps a second, 30 vehicles and 20 pedestrians moving");
    Ok((Row { what, bar: "at least 20 steps a second on two cores", kept: rate >= bar, milliseconds: times.quantiles(), detail }, rate))
}

fn camera() -> Result<Row> {
    let front = SensorSpec::new("front", SensorKind::Rgb).placed([0.6, 0.0, 1.5], 0.0).sized(960, 480, 90.0).every(20.0);
    let depth = SensorSpec { like: Some("front".to_owned()), ..SensorSpec::new("depth", SensorKind::Depth) };
    let mut live = live("town-03", vec![front, depth], 20.0)?;
    let (times, rate) = ticks(&mut live)?;
    let detail = format!("{rate:.1} frames a second");
    Ok(Row {
        what: "one 960x480 camera, RGB + depth",
        bar: "at least 12 frames a second",
        kept: rate >= 12.0,
        milliseconds: times.quantiles(),
        detail,
    })
}

fn loading() -> Result<(Row, Duration)> {
    let times = Histogram::default();
    let before = memory_bytes("VmRSS");
    let start = Instant::now();
    let world = World::new(&WorldConfig { town: "town-10".to_owned(), ..WorldConfig::default() })?;
    let geometry = Geometry::new(world.scene());
    let took = start.elapsed();
    times.record(took);
    let grown = memory_bytes("VmRSS").saturating_sub(before) as f64 / 1e6;
    let peak = memory_bytes("VmHWM") as f64 / 1e6;
    let facets: usize = geometry.statics.iter().map(|p| p.shape.facets.len()).sum();
    if geometry.statics.is_empty() {
        return Err(Error::mismatch("a town", "nothing", "bench"));
    }
    let detail = format!(
        "{:.2} s, {grown:.0} MB more than before, {peak:.0} MB the most that this process ever held; {} things and ground tiles, {facets} triangles",
        took.as_secs_f64(),
        geometry.statics.len()
    );
    let kept = took < Duration::from_secs(3) && peak.max(grown) < 500.0;
    let row = Row {
        what: "loading town-10 (100 junctions), ready for sensors",
        bar: "less than 3 s and 500 MB",
        kept,
        milliseconds: times.quantiles(),
        detail,
    };
    Ok((row, took))
}
