//! `sensorium bench eval`: what an evaluation, ten sweeps and a map window cost on this machine.
//!
//! *In*: nothing, or a root and results of one's own. *Out*: a table with wall and processor time and peak memory. *Invariant*: the
//! made-up set is written to a temporary folder and removed; each figure says over how much work it was taken.

mod make;
mod map;
mod rows;

use super::machine::{Machine, memory_bytes};
use super::{Ending, Format, Result, output};
use crate::eval::nuscenes::detection::Detection;
use crate::eval::nuscenes::matching::match_all;
use crate::eval::nuscenes::predictions::Predictions;
use crate::eval::nuscenes::truth::GroundTruth;
use crate::formats::nuscenes::map::{Patch, VectorMap};
use crate::formats::nuscenes::{Choice, Faults, Reading, ResultFile, ResultKind, Scene};
use crate::sources::nuscenes::{Root, sweeps};
use crate::types::Error;
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Processor seconds of the public devkit on 6,019 samples with 300 boxes each, as measured once on two cores.
const DEVKIT_SECONDS: f64 = 306.0;
const DEVKIT_SAMPLES: f64 = 6019.0;
/// Its seconds for the official tables, and their rows of `sample_data`.
const DEVKIT_TABLES_S: f64 = 80.0;
const DEVKIT_ROWS: f64 = 2_631_083.0;
/// Its milliseconds for ten sweeps of 35,000 points, and for a map window of seven layers out of 1,120 records.
const DEVKIT_SWEEPS_MS: f64 = 22.0;
const DEVKIT_MAP_MS: f64 = 77.0;

/// Arguments of `bench eval`.
#[derive(clap::Args)]
pub struct Args {
    /// Samples of the made-up set; 6019 is the size of the official val split
    #[arg(long, value_name = "N", default_value_t = 600)]
    samples: usize,
    /// Evaluate these results instead of made-up ones
    #[arg(long, value_name = "FILE.json", requires = "root", requires = "split")]
    results: Option<PathBuf>,
    /// Root that the results belong to; its tables are also loaded whole
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Split of the results
    #[arg(long, value_name = "S")]
    split: Option<String>,
    /// Leave the made-up sets in this folder, new or empty, for other programs to be timed on
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Row {
    what: String,
    /// Wall milliseconds: the fastest, and the median.
    fastest_ms: f64,
    median_ms: f64,
    /// Processor milliseconds of one run, all threads; none where the system does not tell.
    cpu_ms: Option<f64>,
    runs: usize,
    /// How many times faster than the figure of the public devkit that the row is held against.
    times_faster: f64,
    bar: String,
    kept: bool,
    detail: String,
}

#[derive(Serialize)]
struct Table {
    version: u32,
    machine: Machine,
    peak_memory_mb: f64,
    rows: Vec<Row>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine.line())?;
        for r in &self.rows {
            let cpu = r.cpu_ms.map_or_else(String::new, |c| format!(", processor {c:.1} ms"));
            writeln!(f, "\n{}\n  wall {:.2} ms (median {:.2} of {}){cpu}", r.what, r.fastest_ms, r.median_ms, r.runs)?;
            writeln!(f, "  bar: {} ({}): {:.0}x\n  {}", r.bar, if r.kept { "kept" } else { "BROKEN" }, r.times_faster, r.detail)?;
        }
        writeln!(f, "\npeak memory {:.0} MB", self.peak_memory_mb)
    }
}

/// Processor time of this process so far, seconds; Linux only.
fn processor() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// The most memory that this process has held, MB.
fn peak() -> f64 {
    memory_bytes("VmHWM") as f64 / 1e6
}

/// Runs work several times: fastest and median wall milliseconds, processor milliseconds of one.
fn time<T>(runs: usize, mut work: impl FnMut() -> crate::types::Result<T>) -> crate::types::Result<(T, f64, f64, Option<f64>)> {
    let mut last = work()?;
    let (mut wall, before) = (Vec::new(), processor());
    for _ in 0..runs {
        let began = Instant::now();
        last = work()?;
        wall.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let cpu = processor().zip(before).map(|(now, then)| (now - then) * 1e3 / runs as f64);
    wall.sort_by(f64::total_cmp);
    let at = |place: usize| wall.get(place).copied().unwrap_or(f64::NAN);
    Ok((last, at(0), at(runs / 2), cpu))
}

/// Times the evaluators.
pub(super) fn bench(args: &Args) -> Result {
    let temporary = std::env::temp_dir().join(format!("sensorium-bench-{}", std::process::id()));
    let folder = args.keep.as_ref().unwrap_or(&temporary);
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::mismatch("a new or empty folder", "files in it", folder.display().to_string()));
    }
    let outcome = rows(args, folder);
    if args.keep.is_none() {
        // The folder is ours; that it cannot be removed is not the news.
        let _ = std::fs::remove_dir_all(folder);
    }
    let rows = outcome?;
    let kept = rows.iter().all(|r| r.kept);
    output::formatted(args.format, &Table { version: 1, machine: Machine::this(), peak_memory_mb: peak(), rows })?;
    Ok(if kept { Ending::Done } else { Ending::No })
}

fn rows(args: &Args, folder: &Path) -> crate::types::Result<Vec<Row>> {
    let samples = args.samples.max(1);
    make::root(folder, samples, 40, 300)?;
    let map = folder.join("maps/expansion/boston-seaport.json");
    std::fs::write(&map, map::blocks(40)).map_err(|e| Error::io("write", &map, e))?;
    let own = folder.join("results.json");
    let mut rows = match (&args.root, &args.results, &args.split) {
        (Some(root), Some(results), Some(split)) => vec![whole(root)?, detection(root, results, split)?],
        (Some(root), ..) => vec![whole(root)?],
        _ => {
            let many = folder.join("rows");
            rows::many(&many, samples)?;
            let whole = whole(&many)?;
            if args.keep.is_none() {
                // Two gigabytes at full size; that they cannot be removed now is not the news.
                let _ = std::fs::remove_dir_all(&many);
            }
            vec![whole, detection(folder, &own, "all")?]
        }
    };
    rows.push(ten_sweeps(folder)?);
    rows.push(map_window(&map)?);
    Ok(rows)
}

fn detection(root: &Path, results: &Path, split: &str) -> crate::types::Result<Row> {
    let size = std::fs::metadata(results).map_err(|e| Error::io("read", results, e))?.len();
    let work = || {
        let root = Root::open(root, None)?;
        let split = root.split(split)?;
        let (scene, mut faults) = (|s: &Scene| split.scenes.contains(&*s.name), Faults::default());
        let channels = Some(std::iter::once("LIDAR_TOP").collect());
        let tables = root.tables(&Choice { scene: &scene, channels, sweeps: false, annotations: true, rest: false }, &mut faults)?;
        let truth = GroundTruth::new(&tables, &split, ResultKind::Detection)?;
        let reading = Reading { kind: ResultKind::Detection, file: "results", compatible: false };
        let file = ResultFile::read(File::open(results).map_err(|e| Error::io("read", results, e))?, reading, &mut faults);
        faults.settle("bench")?;
        let metrics = Detection::new(&match_all(&truth, &Predictions::new(&file, &truth, split.official)));
        Ok((truth.frames.len(), file.boxes.len(), metrics))
    };
    let began = Instant::now();
    work()?;
    let runs = if began.elapsed().as_secs_f64() > 5.0 { 1 } else { 3 };
    let ((frames, boxes, metrics), fastest, median, cpu) = time(runs, work)?;
    let devkit = DEVKIT_SECONDS * 1e3 * frames as f64 / DEVKIT_SAMPLES;
    Ok(Row {
        what: format!("detection metrics of {frames} samples, {boxes} boxes, {:.0} MB of results, tables included", size as f64 / 1e6),
        fastest_ms: fastest,
        median_ms: median,
        cpu_ms: cpu,
        runs,
        times_faster: devkit / median,
        bar: "40x less wall time than the devkit's 306 processor seconds for 6,019 samples".to_owned(),
        kept: devkit / median >= 40.0,
        detail: format!("mAP {:.4}, NDS {:.4}", metrics.mean_precision(), metrics.nd_score()),
    })
}

fn whole(root: &Path) -> crate::types::Result<Row> {
    let began = Instant::now();
    let before = processor();
    let mut faults = Faults::default();
    let tables = Root::open(root, None)?.tables(&Choice::all(), &mut faults)?;
    let wall = began.elapsed().as_secs_f64() * 1e3;
    let rows = tables.sample_data.rows().len();
    Ok(Row {
        what: format!("all tables of a root with {rows} rows of sample_data"),
        fastest_ms: wall,
        median_ms: wall,
        cpu_ms: processor().zip(before).map(|(now, then)| (now - then) * 1e3),
        runs: 1,
        times_faster: DEVKIT_TABLES_S * 1e3 / wall * rows as f64 / DEVKIT_ROWS,
        bar: "2.6 million rows of sample_data in 20 s and 3 GB".to_owned(),
        // Smaller tables have the same time a row, and less memory.
        kept: wall <= (20_000.0 * rows as f64 / DEVKIT_ROWS).max(100.0) && peak() <= 3000.0,
        detail: format!("{} annotations; peak memory {:.0} MB", tables.annotations.rows().len(), peak()),
    })
}

fn ten_sweeps(folder: &Path) -> crate::types::Result<Row> {
    let root = Root::open(folder, None)?;
    let tables = root.tables(&Choice::all(), &mut Faults::default())?;
    let (cloud, fastest, median, cpu) = time(50, || sweeps::aggregate(&root, &tables, 0, "LIDAR_TOP", make::SWEEPS, 1.0))?;
    let spent = cpu.unwrap_or(median);
    Ok(Row {
        what: format!("{} sweeps as one cloud of {} points, files in the page cache", cloud.counts.len(), cloud.points.len()),
        fastest_ms: fastest,
        median_ms: median,
        cpu_ms: cpu,
        runs: 50,
        times_faster: DEVKIT_SWEEPS_MS / spent,
        bar: "5x less processor time than the devkit's 22 ms".to_owned(),
        kept: DEVKIT_SWEEPS_MS / spent >= 5.0,
        detail: "each sweep read, near points dropped, moved into the key frame".to_owned(),
    })
}

fn map_window(path: &Path) -> crate::types::Result<Row> {
    let mut faults = Faults::default();
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let map = VectorMap::read(&bytes, "bench", &mut faults);
    faults.settle("bench")?;
    let layers = ["drivable_area", "ped_crossing", "walkway", "stop_line", "carpark_area", "road_divider", "lane_divider"];
    let records: usize = layers.iter().filter_map(|l| map.layer(l)).map(|l| l.features().len()).sum();
    let patch = Patch { centre: [2000.0, 100.0], size: [100.0; 2], angle: 33.7_f64.to_radians(), canvas: [200; 2] };
    let work = || Ok(layers.iter().map(|layer| map.mask(layer, &patch).iter().map(|v| usize::from(*v)).sum::<usize>()).sum::<usize>());
    let (set, fastest, median, cpu) = time(200, work)?;
    let spent = cpu.unwrap_or(median).max(median);
    Ok(Row {
        what: format!("a map window of 100 m in 200 x 200 cells, seven layers out of {records} records"),
        fastest_ms: fastest,
        median_ms: median,
        cpu_ms: cpu,
        runs: 200,
        times_faster: DEVKIT_MAP_MS / spent,
        bar: "20x less than the devkit's 77 ms".to_owned(),
        kept: DEVKIT_MAP_MS / spent >= 20.0,
        detail: format!("{set} cells set"),
    })
}
